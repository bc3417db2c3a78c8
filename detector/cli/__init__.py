"""The isthmus command, one file a command group."""
