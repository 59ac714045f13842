"""The `site` command: the corpus and its results as static pages."""
