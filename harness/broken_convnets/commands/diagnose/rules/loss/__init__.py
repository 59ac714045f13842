"""Rules about losses, numbers and metrics."""
