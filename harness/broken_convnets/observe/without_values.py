"""Recognize an error that only says that a tensor has no values.

Tensors on the `meta` device and fake tensors have a shape and a dtype, and no values. A healthy
network may read values or call an operator without a kernel for such tensors, so these errors
are no evidence against it.
"""

from __future__ import annotations

from broken_convnets.observe.subject import class_names

TYPES = frozenset(
    {
        "DataDependentOutputException",
        "DynamicOutputShapeException",
        "GuardOnDataDependentSymNode",
        "UnsupportedFakeTensorException",
        "UnsupportedOperatorException",
    }
)
MESSAGES = (
    ".numpy() is not supported",
    "cannot be called on meta tensors",
    "no meta kernel",
    "autocast device_type",
    "Couldn't swap",  # Module.to, from a parameter with values to one without
)


def needs_values(error: BaseException) -> bool:
    """Return whether `error` says that a value was read, or that a kernel is missing."""
    message = str(error)
    return class_names(error)[0] in TYPES or any(text in message for text in MESSAGES)
