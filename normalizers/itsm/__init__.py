"""Change tickets and approvals."""
