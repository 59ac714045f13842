"""Models of this project that serve as hosts beside those of torchvision."""
