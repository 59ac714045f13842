"""The corpus and its results as static pages, made without torch."""
