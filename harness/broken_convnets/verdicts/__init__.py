"""Whether each case fails as declared and each fix works: all runs, and the verdicts."""
