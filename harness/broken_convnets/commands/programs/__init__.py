"""The `programs` command: write the programs of the corpus for a tool that runs elsewhere."""
