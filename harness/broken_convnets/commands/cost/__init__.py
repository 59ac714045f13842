"""Count the operators, FLOPs and bytes of forward passes, and compare with recorded counts."""
