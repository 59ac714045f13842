"""The healthy programs that mistakes are injected into, made of model source code."""
