"""Failures because of values of a wrong type: None, tuples, methods, layers."""
