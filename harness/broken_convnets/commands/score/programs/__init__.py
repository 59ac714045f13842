"""The programs that a tool diagnoses: their sources, ground truth, files, patches and results."""
