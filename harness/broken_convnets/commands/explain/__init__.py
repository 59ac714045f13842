"""From a pasted error to the cases that are like it, and to a sentence with its own numbers."""
