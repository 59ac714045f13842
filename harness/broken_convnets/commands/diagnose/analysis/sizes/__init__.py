"""Facts about sizes: which layer, argument and number determine the shape of a tensor."""
