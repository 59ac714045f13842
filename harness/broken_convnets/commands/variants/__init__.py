"""Fresh variants of the corpus: the same mistakes in programs that nobody has seen."""

from broken_convnets.commands.variants.make import Variant, variant
from broken_convnets.commands.variants.verify import Checked, drawn, kept, verified

__all__ = ["Checked", "Variant", "drawn", "kept", "variant", "verified"]
