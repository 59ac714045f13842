"""What the contract asks of the files of a corpus, and how far the corpus reaches."""
