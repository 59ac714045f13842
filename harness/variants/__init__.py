"""Fresh variants of the corpus: the same mistakes in programs that nobody has seen."""

from .make import Variant, variant
from .verify import Checked, drawn, kept, verified

__all__ = ["Checked", "Variant", "drawn", "kept", "variant", "verified"]
