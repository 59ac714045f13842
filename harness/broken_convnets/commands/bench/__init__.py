"""Compare the times of programs: clocks, timing jobs, and a verdict by confidence interval."""
