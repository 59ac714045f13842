"""Failures because of names: of attributes, variables, functions and arguments."""
