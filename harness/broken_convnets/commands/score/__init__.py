"""Ask diagnostic tools about the programs of the corpus, and score what they answer."""
