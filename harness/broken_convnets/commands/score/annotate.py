"""Write the shapes that a network takes and gives into its `forward`, as jaxtyping annotations.

The shapes are a contract, the same for the broken program and its fix: what the fix was seen to
take and give. Every line of the text keeps its number, so that places found in the annotated
text are places in the program.
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
    """Shapes that cannot be read; the message says how they are written."""


def contract(inputs: str, output: str) -> tuple[list[str], str]:
    """Return the positional inputs and the output of a network, as described by the recorder.

    `inputs` is such as `float32[4, 3, 8, 8], mask=bool[4]`, `output` such as `float32[4, 10]`.
    """
    return [text for text in _parts(inputs) if "=" not in text], output


def annotated(source: str, inputs: list[str], output: str, net: str = "Net") -> str:
    """Return a program with `forward` of its network annotated.

    `inputs` and `output` are written as `float32[4, 3, 8, 8]`; the first size of the first
    input is the batch, which may be of any size. What the text annotates already stays, and a
    program without such a class or method stays as it is. Raises AnnotationError for
    shapes that cannot be read, and SyntaxError.
    """
    batch = _batch(inputs)
    given = [_annotation(text, batch) for text in inputs]
    gives = _annotation(output, batch)
    tree = ast.parse(source)
    forward = _forward(tree, net)
    if forward is None:
        return source
    edits = _arguments(forward, given)
    if forward.returns is None:
        edits.append((*_end_of_signature(source, forward), f" -> {gives}"))
    first = next(
        n
        for n in tree.body
        if isinstance(n, ast.Import | ast.ImportFrom) and getattr(n, "module", "") != "__future__"
    )
    edits.append((first.end_lineno or first.lineno, first.end_col_offset or 0, IMPORTS))
    return _edited(source, edits)


def _batch(inputs: list[str]) -> str | None:
    match = _TENSOR.fullmatch(inputs[0]) if inputs else None
    sizes = match["sizes"] if match else None
    return sizes.split(", ")[0] if sizes else None


def _annotation(text: str, batch: str | None) -> str:
    """Return a value's description as a type: a tensor, a tuple, a list, or a plain class."""
    match = _TENSOR.fullmatch(text)
    if match and match["dtype"] in CLASSES:
        sizes = (match["sizes"] or "").split(", ")
        if batch is not None and sizes[0] == batch:
            sizes[0] = BATCH
        return f'_jaxtyping.{CLASSES[match["dtype"]]}[_Tensor, "{" ".join(sizes)}"]'
    if text.startswith("(") and text.endswith(")"):
        inside = [_annotation(part, batch) for part in _parts(text[1:-1])]
        return f"tuple[{', '.join(inside)}]"
    if text.startswith("[") and text.endswith("]"):
        return "list"
    if text in _PLAIN:
        return text
    message = f"{text!r} is no shape that can be annotated: write it as 'float32[4, 3, 8, 8]'"
    raise AnnotationError(message)


def _parts(text: str) -> list[str]:
    """Split at the commas that stand in no bracket."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _forward(tree: ast.Module, net: str) -> ast.FunctionDef | None:
    """Return the method of the network's class, which may go by a second name (`Net = Tagger`)."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == net:
            net = ast.unparse(node.value)
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == net]
    methods = [n for c in classes for n in c.body if isinstance(n, ast.FunctionDef)]
    return next((method for method in methods if method.name == "forward"), None)


def _arguments(forward: ast.FunctionDef, given: list[str]) -> list[tuple[int, int, str]]:
    """Return where each argument after `self` gets which annotation."""
    arguments = [*forward.args.posonlyargs, *forward.args.args]
    required = len(arguments) - len(forward.args.defaults)
    edits = []
    for index, (argument, text) in enumerate(zip(arguments[1:], given, strict=False), start=1):
        if argument.annotation is None:
            end = argument.end_lineno or argument.lineno, argument.end_col_offset or 0
            edits.append((*end, f": {text}" if index < required else f": {text} | None"))
    return edits


def _end_of_signature(source: str, forward: ast.FunctionDef) -> tuple[int, int]:
    """Return line and column (in bytes) behind the bracket that ends the arguments."""
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.start[0] < forward.lineno or token.type != tokenize.OP:
            continue
        depth += (token.string in "([{") - (token.string in ")]}")
        if token.string == ")" and depth == 0:
            line = source.splitlines()[token.end[0] - 1]
            return token.end[0], len(line[: token.end[1]].encode())
    message = "the signature of forward has no end"
    raise SyntaxError(message)


def _edited(source: str, edits: list[tuple[int, int, str]]) -> str:
    """Return the text with each piece put in; the last one first, so that places stay true."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    for line, column, text in sorted(edits, reverse=True):
        old = lines[line - 1]
        lines[line - 1] = old[:column] + text.encode() + old[column:]
    return b"".join(lines).decode()
