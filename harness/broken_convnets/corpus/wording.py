"""Reduce a message to its wording: what is independent of network, numbers and machine."""

from __future__ import annotations

import re

from broken_convnets.util.mask import mask

# One name per dtype, for every spelling in torch's messages.
TYPES = {
    "double": "f64",
    "doubletensor": "f64",
    "float64": "f64",
    "float": "f32",
    "floattensor": "f32",
    "float32": "f32",
    "half": "f16",
    "halftensor": "f16",
    "float16": "f16",
    "bfloat16": "bf16",
    "bfloat16tensor": "bf16",
    "cudabfloat16type": "bf16",
    "long": "i64",
    "longtensor": "i64",
    "int64": "i64",
    "long int": "i64",
    "inttensor": "i32",
    "int32": "i32",
    "byte": "u8",
    "bytetensor": "u8",
    "uint8": "u8",
    "uint8_t": "u8",
    "unsigned char": "u8",
    "boolean": "bool",
    "variable": "tensor",
    "variables": "tensors",
}
SPELLINGS = ((re.compile(r"\blong int\b"), "long"), (re.compile(r"\bunsigned char\b"), "byte"))
# The last part of an exception's name; some of torch's end in Node or Failed.
_CLASS = re.compile(
    r"(?:[A-Za-z_]\w*\.)*"
    r"([A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit|Iteration|Node|Failed))(?::\s*|\s*$)",
    re.ASCII,
)
# Applied in this order. Numbers of dimensions (`4-dimensional`, `4D`) stay, and digits in names
# (`conv2d`, `int64`).
_RULES = [
    (re.compile(r"[\u2018\u2019\u201b\u00b4`]"), "'"),
    (re.compile(r"[\u201c\u201d]"), '"'),
    (re.compile(r"\u00d7"), "x"),  # the multiplication sign that typography makes of x
    # The C++ source that raised it: "... at /pytorch/aten/src/TH/THTensor.cpp:612".
    (re.compile(r"\s+at \S*[/\\]\S*"), ""),
    (re.compile(r"(?:\b[A-Za-z]:|~|\.{1,2})?[/\\][\w.+~/\\-]+", re.ASCII), "…"),
    (re.compile(r"(?<![A-Za-z_\d])(?!\d+(?:-dimensional|D\b))\d+(?:\.\d+)*(?:e[+-]?\d+)?"), "#"),
    (re.compile(r"(?<=[#\d])x-?(?:\d+|#)"), "x#"),
    (re.compile(r"(?<![\w#])-#"), "#"),
    (re.compile(r"\s+"), " "),
]


def wording(message: str) -> str:
    """Return `message` on one line, with `#` for numbers, no paths, and one kind of quotes."""
    text = mask(message)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.strip()


def split(line: str) -> tuple[str, str]:
    """Return the exception's class, without its module, and its message.

    The class is empty if the line does not begin with one.
    """
    found = _CLASS.match(line.lstrip())
    return (found[1], line.lstrip()[found.end() :]) if found else ("", line)
