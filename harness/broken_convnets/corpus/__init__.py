"""The files of a corpus: read, select, compare and check cases, fixes and controls."""
