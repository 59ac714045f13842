"""What a network loads has its own keys and shapes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.loads import Load, failed_load
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]
HALF = 0.5  # of the keys of a network


@rule(
    "load_state_dict() receives a state_dict",
    stays_quiet="about mappings",
)
def loads_something_else(evidence: Evidence) -> Iterator[Finding]:
    """Find paths and networks that are passed to load_state_dict()."""
    require_failure(evidence, TypeError, AttributeError)
    load = failed_load(evidence)
    if load is None or isinstance(load.given, Mapping):
        return
    path = isinstance(load.given, str) or hasattr(load.given, "__fspath__")
    new = f"torch.load({load.text})" if path else f"{load.text}.state_dict()"
    what = "a path" if path else f"a {type(load.given).__name__}"
    known = path or isinstance(load.given, nn.Module)
    yield Finding(
        kind="state/state_dict_mismatch",
        message=f"load_state_dict() receives {what}, not a state_dict",
        evidence=f"`{load.text}` is {what}: use `{new}`" if known else f"`{load.text}` is {what}",
        cause=frame_location(load.frame),
        subject=load.text,
        cases=("state/path_passed_to_load_state_dict",),
        candidates=candidates((0, partial(edits.replace, load.frame.source, [(load.node, new)])))
        if known
        else (),
        confidence=10,
    )


@rule(
    "load_state_dict() receives the state, not the checkpoint around it",
    stays_quiet="if no value of the mapping has the network's keys",
)
def loads_whole_checkpoint(evidence: Evidence) -> Iterator[Finding]:
    """Find checkpoints whose state_dict is one of their items."""
    require_failure(evidence, RuntimeError)
    load = failed_load(evidence)
    key = _key_of_state(load) if load else None
    if load is None or key is None:
        return
    others = ", ".join(map(repr, list(load.state)[:4]))
    new = f"{load.text}[{_quoted(key)}]"
    yield Finding(
        kind="state/state_dict_mismatch",
        message=f"`{shortened(load.text)}` is a whole checkpoint; its state_dict is under {key!r}",
        evidence=f"its keys are {others}, none of which the network has",
        cause=frame_location(load.frame),
        subject=load.text,
        cases=("state/checkpoint_loaded_as_state_dict",),
        candidates=candidates((0, partial(edits.replace, load.frame.source, [(load.node, new)]))),
        confidence=10,
    )


def _key_of_state(load: Load) -> str | None:
    own = set(load.own)
    for key, value in load.state.items():
        if isinstance(value, Mapping):
            inner = {name.removeprefix("module.") for name in value if isinstance(name, str)}
            if len(own & inner) > HALF * len(own):
                return key
    return None


def _quoted(text: str) -> str:
    return repr(text).replace("'", '"')


@rule(
    "the keys of a state_dict have the prefix of the network that loads them",
    stays_quiet="if the keys differ in more than one prefix",
)
def keys_with_prefix(evidence: Evidence) -> Iterator[Finding]:
    """Find keys with `module.` or another prefix too many or too few."""
    require_failure(evidence, RuntimeError)
    load = failed_load(evidence)
    if load is None or not load.state:
        return
    prefix, missing = _prefix(set(load.state), set(load.own))
    if not prefix:
        return
    saved = _save_of_wrapped(load.frame.source) if prefix == "module." and not missing else None
    how = "lack the prefix" if missing else "have the prefix"
    yield Finding(
        kind="state/dataparallel_prefix" if prefix == "module." else "state/state_dict_mismatch",
        message=f"the keys of the state_dict {how} {prefix!r}, the network's own "
        f"{'have it' if missing else 'do not'}",
        evidence=f"the state_dict has {next(iter(load.state))!r}, the network "
        f"{next(iter(load.own))!r}",
        cause=Location(load.frame.source.path, saved.lineno)
        if saved
        else frame_location(load.frame),
        symptom=frame_location(load.frame),
        subject=prefix,
        cases=("state/dataparallel_prefix",),
        candidates=candidates(*_renamed(load, prefix, saved, missing=missing)),
        confidence=10,
    )


def _prefix(given: set[str], own: set[str]) -> tuple[str, bool]:
    """Return the prefix that the given keys have too many, or (then True) too few."""
    for longer, shorter, missing in ((given, own, False), (own, given, True)):
        if not longer or not shorter:
            continue
        first = min(shorter)
        fits = [key.removesuffix(first) for key in longer if key.endswith(first) and key != first]
        for prefix in fits:
            if prefix.endswith(".") and all(f"{prefix}{key}" in longer for key in shorter):
                return prefix, missing
    return "", False


def _save_of_wrapped(source: Source) -> ast.Call | None:
    """Return the `parallel.state_dict()` of a DataParallel that the program saves itself."""
    wrapped = {
        source.text_of(statement.targets[0])
        for statement in source.statements
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Call)
        and called_name(statement.value) in {"DataParallel", "DistributedDataParallel"}
    }
    for node in source.expressions:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == "state_dict" and source.text_of(node.func.value) in wrapped:
            return node
    return None


def _renamed(
    load: Load, prefix: str, saved: ast.Call | None, *, missing: bool
) -> Iterator[Attempt]:
    source = load.frame.source
    if saved is not None and isinstance(saved.func, ast.Attribute):
        owner = saved.func.value
        new = f"{source.text_of(owner)}.module"
        yield 0, partial(edits.replace, source, [(owner, new)])
    if missing:
        function = load.call.func
        name = prefix.removesuffix(".")
        if isinstance(function, ast.Attribute) and hasattr(load.module, name):
            new = f"{load.network}.{name}"
            yield 0, partial(edits.replace, source, [(function.value, new)])
        new_key = f'"{prefix}" + key'
    else:
        new_key = f'key.removeprefix("{prefix}")'
    text = f"{{{new_key}: value for key, value in {load.text}.items()}}"
    yield 1, partial(edits.replace, source, [(load.node, text)])
