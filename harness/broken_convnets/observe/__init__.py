"""What happens inside the process of a job: run one program, and say what it did."""
