"""What is deployed to servers."""
