"""Where a value, a size or a name in the user's code comes from: what rules ask about a run."""
