"""SARIF 2.1.0, which many static tools write and many viewers show: `read` a log, `write` one."""

from broken_convnets.commands.score.sarif.reading import read
from broken_convnets.commands.score.sarif.writing import write

__all__ = ["read", "write"]
