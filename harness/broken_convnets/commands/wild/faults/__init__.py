"""The fault classes: where the mistake of a case fits into a program, and how to make it there."""
