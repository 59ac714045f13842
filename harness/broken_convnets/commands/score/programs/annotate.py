"""Add jaxtyping annotations of the input and output shapes to a network's `forward`.

A broken program and its fixed version get the same annotations: the shapes that were observed
in the fixed version. Line numbers do not change, so a line of the annotated text is the same
line of the program.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize

from broken_convnets.errors import UsageError

CLASSES = {
    "float16": "Float16",
    "float32": "Float32",
    "float64": "Float64",
    "bfloat16": "BFloat16",
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "bool": "Bool",
    "complex64": "Complex64",
    "complex128": "Complex128",
}
BATCH = "batch"
IMPORTS = "; import jaxtyping as _jaxtyping; from torch import Tensor as _Tensor"
_TENSOR = re.compile(r"(?P<dtype>[a-z]+\d*)\[(?P<sizes>\d+(?:, \d+)*)?\](?: non-finite)?")
_PLAIN = ("None", "bool", "int", "float", "str")


class AnnotationError(UsageError):
    """An invalid description of a value; the message shows a valid one."""


def annotate(source: str, inputs: str, output: str, net: str = "Net") -> str:
    """Return a program whose network has annotated inputs and output of `forward`.

    `inputs` is a comma-separated list such as "float32[4, 3, 8, 8], bool[4]", and `output` one
    description. The first size of the first input is the batch, which may have any size.
    Existing annotations stay. A program without the class or without `forward` is returned
    unchanged. Raises AnnotationError for an invalid description, and SyntaxError.
    """
    positional = [text for text in _split(inputs) if "=" not in text]
    batch = _batch_size(positional)
    types = [_annotation(text, batch) for text in positional]
    returns = _annotation(output, batch)
    tree = ast.parse(source)
    forward = _forward(tree, net)
    if forward is None:
        return source
    insertions = _argument_annotations(forward, types)
    if forward.returns is None:
        insertions.append((*_end_of_signature(source, forward), f" -> {returns}"))
    first_import = next(
        node
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and getattr(node, "module", "") != "__future__"
    )
    end = first_import.end_lineno or first_import.lineno, first_import.end_col_offset or 0
    return _inserted(source, [*insertions, (*end, IMPORTS)])


def _batch_size(inputs: list[str]) -> str | None:
    match = _TENSOR.fullmatch(inputs[0]) if inputs else None
    sizes = match["sizes"] if match else None
    return sizes.split(", ")[0] if sizes else None


def _annotation(text: str, batch: str | None) -> str:
    """Return the annotation for a described value: a tensor, tuple, list, or plain class."""
    match = _TENSOR.fullmatch(text)
    if match and match["dtype"] in CLASSES:
        sizes = (match["sizes"] or "").split(", ")
        if batch is not None and sizes[0] == batch:
            sizes[0] = BATCH
        return f'_jaxtyping.{CLASSES[match["dtype"]]}[_Tensor, "{" ".join(sizes)}"]'
    if text.startswith("(") and text.endswith(")"):
        inside = [_annotation(part, batch) for part in _split(text[1:-1])]
        return f"tuple[{', '.join(inside)}]"
    if text.startswith("[") and text.endswith("]"):
        return "list"
    if text in _PLAIN:
        return text
    message = f"cannot annotate {text!r}: expected a description such as 'float32[4, 3, 8, 8]'"
    raise AnnotationError(message)


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _forward(tree: ast.Module, net: str) -> ast.FunctionDef | None:
    """Return the `forward` of the class `net`, or of the class that `net` is an alias of."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == net:
            net = ast.unparse(node.value)
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == net]
    methods = [n for c in classes for n in c.body if isinstance(n, ast.FunctionDef)]
    return next((method for method in methods if method.name == "forward"), None)


def _argument_annotations(forward: ast.FunctionDef, types: list[str]) -> list[tuple[int, int, str]]:
    """Return line, column and text of the annotation of each argument after `self`."""
    arguments = [*forward.args.posonlyargs, *forward.args.args]
    required = len(arguments) - len(forward.args.defaults)
    insertions = []
    for index, (argument, text) in enumerate(zip(arguments[1:], types, strict=False), start=1):
        if argument.annotation is None:
            end = argument.end_lineno or argument.lineno, argument.end_col_offset or 0
            insertions.append((*end, f": {text}" if index < required else f": {text} | None"))
    return insertions


def _end_of_signature(source: str, forward: ast.FunctionDef) -> tuple[int, int]:
    """Return line and column (in bytes) after the bracket that closes the arguments."""
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.start[0] < forward.lineno or token.type != tokenize.OP:
            continue
        depth += (token.string in "([{") - (token.string in ")]}")
        if token.string == ")" and depth == 0:
            line = source.splitlines()[token.end[0] - 1]
            return token.end[0], len(line[: token.end[1]].encode())
    message = "the signature of forward is not closed"
    raise SyntaxError(message)


def _inserted(source: str, insertions: list[tuple[int, int, str]]) -> str:
    """Return the text with every insertion, from the last to the first so that columns hold."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    for line, column, text in sorted(insertions, reverse=True):
        old = lines[line - 1]
        lines[line - 1] = old[:column] + text.encode() + old[column:]
    return b"".join(lines).decode()
