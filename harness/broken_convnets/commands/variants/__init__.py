"""Variants of corpus entries: the same mistakes in new programs, each verified by running it."""

from broken_convnets.commands.variants.make import Variant, make_variant
from broken_convnets.commands.variants.verify import CheckedVariant, generate, verified, verify

__all__ = ["CheckedVariant", "Variant", "generate", "make_variant", "verified", "verify"]
