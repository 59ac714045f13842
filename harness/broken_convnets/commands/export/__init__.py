"""The `export` command: write a case as a notebook."""
