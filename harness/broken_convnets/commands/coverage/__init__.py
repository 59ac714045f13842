"""The `coverage` command: compare the corpus with real reports of failing networks."""
