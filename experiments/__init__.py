"""Measurements that the documentation quotes; each module is a script of its own."""
