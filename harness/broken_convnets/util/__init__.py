"""What every part of the package uses: files, terminal, cache, argument types, masking."""
