"""Keyword arguments have the names that the called function accepts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn
from torch.optim import Optimizer

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.near_names import nearest
from broken_convnets.commands.diagnose.analysis.signatures import (
    UNEXPECTED,
    VARIABLE,
    failed_signature,
)
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import OtherRun, rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.observe.near_names import meant_name

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.signatures import Called
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

SHOWN = 12  # names of parameters
# Arguments that PyTorch had, and removed without another one that does the same.
REMOVED = frozenset({"verbose", "size_average", "reduce", "align_corner", "async"})
SYNONYMS = {  # of other libraries and of NumPy
    "axis": "dim",
    "dim": "axis",
    "axes": "dims",
    "keepdims": "keepdim",
    "keepdim": "keepdims",
    "filters": "out_channels",
    "units": "out_features",
    "dropout": "p",
    "rate": "p",
    "probability": "p",
    "strides": "stride",
    "decay": "weight_decay",
    "batch": "batch_size",
    "pretrained": "weights",
    "mu": "momentum",
}


@rule(
    "keyword arguments have names that the called function accepts",
    stays_quiet="about calls whose function or keyword cannot be found in the program",
)
def unexpected_keyword(evidence: Evidence) -> Iterator[Finding]:
    """Find `nn.Conv2d(3, 8, 3, pad=1)` and the like."""
    called, match = failed_signature(evidence, UNEXPECTED)
    frame, keyword = _passing(evidence, match[1])
    direct = keyword in called.call.keywords
    meant = _meant(called, match[1], direct=direct)
    removed = not meant and match[1] in REMOVED and not called.where
    yield Finding(
        kind=_kind(called),
        message=f"{called.shown_name} has no argument `{match[1]}`"
        + (f"; it has `{meant}`" if meant else ""),
        evidence=f"{'PyTorch removed it: ' if removed else ''}{_accepted(called)}",
        cause=Location(frame.source.path, keyword.value.lineno),
        symptom=Location(called.frame.source.path, called.frame.place.line),
        subject=f"{called.shown_name}.{match[1]}",
        candidates=_changed(frame.source, keyword, meant, removed=removed),
        confidence=10,
    )


def _passing(evidence: Evidence, name: str) -> tuple[UserFrame, ast.keyword]:
    """Return the call of the traceback that passes a keyword; raises OtherRun if none does."""
    for frame in evidence.frames:
        for keyword in frame.call.keywords if frame.call else ():
            if keyword.arg == name:
                return frame, keyword
    reason = "no call of the program passes the keyword by its name"
    raise OtherRun(reason)


def _meant(called: Called, name: str, *, direct: bool) -> str:
    """Return the parameter that a keyword stands for: by its name, else the only one that lacks."""
    passed = {keyword.arg for keyword in called.call.keywords} if direct else set()
    free = [one for one in called.names if one not in passed]
    if SYNONYMS.get(name) in free:
        return SYNONYMS[name]
    meant = meant_name(name, free) or nearest(name, free)
    unfilled = called.unfilled() if direct and called.plain else []
    return meant or (unfilled[0] if len(unfilled) == 1 else "")


def _kind(called: Called) -> str:
    function = called.function
    if isinstance(function, type) and issubclass(function, Optimizer):
        return "training"
    if isinstance(function, type) and function.__module__ == "torch.optim.lr_scheduler":
        return "training"
    own = getattr(function, "__self__", None)
    forward = isinstance(own, nn.Module) and getattr(function, "__name__", "") == "forward"
    return "training/forward_signature" if forward else called.kind


def _accepted(called: Called) -> str:
    names = [p.name for p in called.parameters if p.kind not in VARIABLE]
    if not names:
        return "its documentation lists the arguments that it accepts"
    more = ", ..." if len(names) > SHOWN else ""
    return f"it accepts {', '.join(names[:SHOWN])}{more}{called.where}"


def _changed(
    source: Source, keyword: ast.keyword, meant: str, *, removed: bool
) -> tuple[Candidate, ...]:
    """Return the change of the name, or the call without the argument if PyTorch removed it."""
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    if meant:
        attempts.append((0, partial(_renamed, source, keyword, meant)))
    elif removed:
        attempts.append((0, partial(without, source, keyword)))
    return candidates(*attempts)


def _renamed(source: Source, keyword: ast.keyword, name: str) -> Patch:
    """Rename a keyword where it is written."""
    line = source.lines[keyword.lineno - 1].encode()
    at = keyword.col_offset
    end = at + len((keyword.arg or "").encode())
    new = (line[:at] + name.encode() + line[end:]).decode()
    return edits.replace_in_line(source, keyword.lineno, source.lines[keyword.lineno - 1], new)


def without(source: Source, keyword: ast.keyword) -> Patch:
    """Leave a keyword argument out of its call."""
    call = source.parent(keyword)
    parts = [
        source.text_of(part) if not hasattr(part, "arg") else _text(source, part)
        for part in (*call.args, *call.keywords)  # type: ignore[union-attr]  # the parent is a call
        if part is not keyword
    ]
    new = f"{source.text_of(call.func)}({', '.join(parts)})"  # type: ignore[union-attr]  # as above
    return edits.replace(source, [(call, new)])  # type: ignore[list-item]  # as above


def _text(source: Source, keyword: ast.keyword) -> str:
    value = source.text_of(keyword.value)
    return f"{keyword.arg}={value}" if keyword.arg else f"**{value}"
