"""The cases, fixes and controls as they are written: read, chosen, compared, shown."""
