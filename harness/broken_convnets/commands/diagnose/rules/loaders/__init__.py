"""Failures of data sets, transforms and loaders."""
