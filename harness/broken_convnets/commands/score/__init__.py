"""The `score` command: run diagnostic tools on the programs of the corpus and score the results."""
