"""What all parts of the package share: files, terminal, cache, argument types, masking."""
