"""Failures because of how a network is written: its constructor, forward and attributes."""
