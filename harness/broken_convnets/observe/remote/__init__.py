"""A program in a process of its own: what the judge asks, and what comes back, by value."""
