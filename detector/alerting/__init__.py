"""Alert documents, grouping and delivery."""
