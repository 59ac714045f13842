"""The metrics of a tool; docs/scoring.md defines each of them."""
