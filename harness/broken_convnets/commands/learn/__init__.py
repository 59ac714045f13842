"""The `learn` command: fix broken programs, graded by the laws."""
