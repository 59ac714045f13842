"""The commands, a folder each: `command.py` adds the options and runs it."""
