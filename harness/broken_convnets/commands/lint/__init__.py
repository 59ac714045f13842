"""The `lint` command: check the corpus files against the case format."""
