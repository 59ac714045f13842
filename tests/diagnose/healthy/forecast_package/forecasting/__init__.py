"""A forecaster and its data."""

from .model import Forecaster
from .series import Normalizer, make_windows

__all__ = ["Forecaster", "Normalizer", "make_windows"]
