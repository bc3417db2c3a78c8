"""Access control, video and intercom."""
