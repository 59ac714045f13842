"""Clocks for a host and a device, how a machine is held steady, and comparisons by ratio."""
