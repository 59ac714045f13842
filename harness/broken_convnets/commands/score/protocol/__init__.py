"""The protocol of diagnostic tools: messages, validation, and the interface in Python."""
