"""The rules of the case format for the source of one program."""

from __future__ import annotations

import ast
import io
import re
import tokenize

from broken_convnets.corpus.contract import check_contract

LINE_LIMIT = 45
GIVEAWAYS = re.compile(
    r"bug|buggy|broken|fix(ed|me)?|wrong|incorrect|mistake|error|fail(s|ed|ure|ing)?"
    r"|todo|xxx|hack|oops|bad|forg[eo]t(ten)?|missing|solution|answer",
)
GUARD = "if __name__ == '__main__':"


def check_program(source: str, *, generated: bool = False) -> list[str]:
    """Return a sentence for each violation, with what to do; nothing is run.

    The style of a generated program is not checked: its length, comments, annotations and names.
    """
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        return [f"line {error.lineno} is not valid Python ({error.msg}): correct the syntax"]
    messages = [*_check_shape(module), *check_contract(module)]
    return messages if generated else [*_check_text(source), *messages, *_check_words(module)]


def _check_words(module: ast.Module) -> list[str]:
    messages = []
    for node in ast.walk(module):
        messages += _check_names(node)
        if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation:
            messages.append(f"line {node.lineno} has an annotation: remove it")
        if isinstance(node, ast.FunctionDef) and node.returns:
            messages.append(f"line {node.lineno} has an annotation: remove it")
    return messages


def _check_text(source: str) -> list[str]:
    messages = [
        f"line {token.start[0]} has a comment: remove it, the .toml is the answer key"
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    length = len(source.splitlines())
    if length > LINE_LIMIT:
        messages.append(f"has {length} lines: shorten it to {LINE_LIMIT}")
    return messages


def _check_shape(module: ast.Module) -> list[str]:
    messages = []
    intent = ast.get_docstring(module) or ""
    if not intent or "\n" in intent:
        messages.append("needs a one-line docstring that says what the network is for")
    nets = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Net"]
    if not nets:
        messages.append("has no `class Net(nn.Module)`: add it")
    makers = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    if "example_inputs" not in makers:
        messages.append("has no `example_inputs(batch_size=N)`: add it")
    messages += [
        f"`{name}` must take one argument, `batch_size=N`"
        for name in ("example_inputs", "example_targets")
        if name in makers and not _takes_batch_size(makers[name])
    ]
    last = module.body[-1] if module.body else None
    guarded = isinstance(last, ast.If) and ast.unparse(last).startswith(GUARD)
    if not guarded or len(ast.unparse(module.body[-1]).splitlines()) != 2:  # noqa: PLR2004  (its lines)
        messages.append(f"must end with a main guard of two lines: {GUARD} and a call")
    return messages


def _takes_batch_size(function: ast.FunctionDef) -> bool:
    arguments = function.args
    names = [argument.arg for argument in arguments.args]
    return names == ["batch_size"] and len(arguments.defaults) == 1


def _check_names(node: ast.AST) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        words = node.name
    elif isinstance(node, ast.arg):
        words = node.arg
    elif isinstance(node, ast.alias):
        words = node.asname or ""
    elif isinstance(node, ast.Name):
        words = node.id if isinstance(node.ctx, ast.Store) else ""
    elif isinstance(node, ast.Attribute):
        words = node.attr if isinstance(node.ctx, ast.Store) else ""
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        words = node.value
    else:
        return []
    parts = re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", words).lower())
    line = getattr(node, "lineno", 0)
    return [
        f"line {line} says {part!r}, which gives the answer away: choose a neutral word"
        for part in dict.fromkeys(parts)
        if GIVEAWAYS.fullmatch(part)
    ]
