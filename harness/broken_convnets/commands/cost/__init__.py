"""What forward passes ask of torch, in counts: read, compared with what is recorded, recorded."""
