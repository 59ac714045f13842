"""Rules that call copies of the networks again, after the program ended."""
