"""The rules: each checks one property of a program, and says when it stays quiet."""
