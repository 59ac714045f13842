"""Rules about training loops: gradients, optimizer steps, modes, and graphs."""
