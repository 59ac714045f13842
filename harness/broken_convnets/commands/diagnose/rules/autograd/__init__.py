"""Failures of backward passes, graphs and optimizers."""
