"""The `diagnose` command: run a program, say what is wrong, which line causes it, and fix it."""
