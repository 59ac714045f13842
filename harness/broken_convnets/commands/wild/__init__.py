"""Inject the mistakes of the corpus into real models, and verify each program by running it."""
