"""What really happened, kept per torch release and device."""
