"""The `new` command: write the skeleton of a case."""
