"""Compare a program with both sides of its case, and say what it keeps of the mistake."""
