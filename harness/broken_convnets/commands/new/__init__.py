"""The `new` command: create the files of a new case."""
