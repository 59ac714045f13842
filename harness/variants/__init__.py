"""Fresh variants of the corpus: the same mistakes in programs that nobody has seen."""
