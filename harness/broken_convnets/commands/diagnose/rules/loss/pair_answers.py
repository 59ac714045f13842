"""Call a user's function of two tensors again, with other tensors."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.pair_calls import PairCall

# What functions call that write, show, train or send something.
WRITING = frozenset(
    {"open", "save", "save_image", "imwrite", "imsave", "imshow", "savefig", "show", "savez"}
    | {"write", "writelines", "writerow", "write_text", "write_bytes", "dump", "to_csv", "tofile"}
    | {"add_scalar", "add_image", "add_images", "log_metric", "backward", "step", "savetxt"}
    | {"system", "run", "exec", "post", "send", "put", "unlink", "remove", "mkdir", "makedirs"}
)
TOOLS = frozenset(
    {"plt", "wandb", "writer", "mlflow", "subprocess", "shutil", "os", "sys", "requests"}
)


def answer(call: PairCall, one: Any, other: Any) -> Any:
    """Return what a function returns for two other tensors, and copies of its other arguments."""
    given = {name: _copy(value) for name, value in call.arguments.items()}
    given |= {} if call.owner is None else {"self": call.owner()}
    given |= {call.one: one.clone(), call.other: other.clone()}
    with torch.no_grad():
        return call.function(**given)


def number(result: Any) -> float:
    """Return the only number of a result; NaN if there are several, or it is none."""
    if isinstance(result, torch.Tensor) and result.numel() != 1:
        return float("nan")
    try:
        return float(result)
    except (TypeError, ValueError):
        return float("nan")


def pair_calls(evidence: Evidence) -> Iterator[tuple[PairCall, Source, ast.FunctionDef]]:
    """Yield the calls whose functions have a syntax, each with it."""
    for call in evidence.record.content_facts.pair_calls:
        source = evidence.source(call.code.co_filename)
        syntax = (
            source.function_named(call.code.co_name, call.code.co_firstlineno) if source else None
        )
        if source is not None and syntax is not None and only_computes(syntax):
            yield call, source, syntax


def only_computes(syntax: ast.FunctionDef) -> bool:
    """Return whether a function returns a value, and seems to change nothing outside of it.

    It is called again with other images: what it would write to a file must stay as it is.
    """
    returns = any(isinstance(node, ast.Return) and node.value for node in ast.walk(syntax))
    names = {called_name(node) for node in ast.walk(syntax) if isinstance(node, ast.Call)}
    roots = {node.id for node in ast.walk(syntax) if isinstance(node, ast.Name)}
    return returns and names.isdisjoint(WRITING) and roots.isdisjoint(TOOLS)


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else copy.copy(value)
