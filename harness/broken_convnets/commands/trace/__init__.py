"""Follow the values through a network, layer by layer, to the one that failed."""
