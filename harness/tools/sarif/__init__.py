"""SARIF 2.1.0, which many static tools write and many viewers show: `read` a log, `write` one."""

from .reading import read
from .writing import write

__all__ = ["read", "write"]
