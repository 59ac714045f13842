"""Failures of checkpoints, exports and graph capture."""
