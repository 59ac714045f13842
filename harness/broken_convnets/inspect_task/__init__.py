"""The task `broken_convnets/repair` for Inspect AI; only this folder imports `inspect_ai`."""
