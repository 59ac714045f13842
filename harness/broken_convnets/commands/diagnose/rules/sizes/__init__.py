"""Rules about exceptions that tensors of a wrong size, or of a wrong rank, cause."""
