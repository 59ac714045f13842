"""Bundled diagnostic tools: each module's `tool` is a class with the members of `Tool`.

Modules whose name begins with an underscore are parts that several of them share.
"""
