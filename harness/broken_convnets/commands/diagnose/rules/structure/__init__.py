"""Rules about the structure of networks: what is registered, called, and connected."""
