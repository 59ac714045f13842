"""The `list` command: list the cases and controls."""
