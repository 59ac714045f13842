"""The `export` command: write cases for a class, or programs for a benchmark of agents."""
