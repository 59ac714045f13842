"""The bundled diagnostic tools: `tool` in each module is a subclass of `Tool`.

Modules whose names begin with an underscore are shared by several tools.
"""
