"""Failures because of dtypes, devices and the values of labels."""
