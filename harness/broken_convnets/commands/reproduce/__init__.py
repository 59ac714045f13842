"""The `reproduce` command: run every program, print the verdicts, record what happened."""
