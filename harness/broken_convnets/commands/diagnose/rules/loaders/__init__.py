"""Failures of datasets, transforms and loaders."""
