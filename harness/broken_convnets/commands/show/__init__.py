"""The `show` command: print everything known about one entry."""
