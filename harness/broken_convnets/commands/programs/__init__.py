"""The `programs` command: write programs for a diagnostic tool that runs elsewhere."""
