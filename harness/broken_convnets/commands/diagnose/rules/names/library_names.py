"""Names of modules and classes are those that the installed libraries have."""

from __future__ import annotations

import ast
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.analysis.missing_attributes import missing_attribute
from broken_convnets.commands.diagnose.analysis.near_names import misspelled, related
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.missing_attributes import MissingAttribute
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate

SHOWN = 4  # names that are near
# Names that libraries had and removed, by the module: what to use instead.
REMOVED = {
    "numpy": {
        **{name: f"~{name}" for name in ("float", "int", "bool", "object", "str", "complex")},
        "float_": "float64",
        "Inf": "inf",
        "NaN": "nan",
        "product": "prod",
        "cumproduct": "cumprod",
        "alltrue": "all",
        "sometrue": "any",
        "in1d": "isin",
        "row_stack": "vstack",
        "trapz": "trapezoid",
    },
    "PIL.Image": {"ANTIALIAS": "LANCZOS", "LINEAR": "BILINEAR", "CUBIC": "BICUBIC"},
    "torchvision.transforms": {"Scale": "Resize", "RandomSizedCrop": "RandomResizedCrop"},
}
HEADS = ("fc", "classifier", "head", "heads", "last_linear")


@rule(
    "names of modules and classes are those that the libraries have",
    stays_quiet="if no name of the module is near, and about modules of the program that fail "
    "while they are imported",
)
def name_is_not_in_module(evidence: Evidence) -> Iterator[Finding]:
    """Find `nn.Relu`, `nn.CrossEntropy`, `np.float` and the like."""
    missing = missing_attribute(evidence)
    owner = missing.owner
    if not isinstance(owner, ModuleType | type):
        return
    names = [name for name in dir(owner) if not name.startswith("_")]
    removed = REMOVED.get(owner.__name__, {}).get(missing.name, "")
    near = [removed] if removed else _near(missing.name, names)
    if not near:
        return
    shown = [name.lstrip("~") for name in near]
    what = "was removed from" if removed else "is not in"
    yield Finding(
        kind="other",
        message=f"`{missing.name}` {what} {owner.__name__}; "
        f"{'use' if removed else 'it has'} {' or '.join(f'`{name}`' for name in shown)}",
        evidence=f"the installed version{_version(owner)} has no such name",
        cause=frame_location(missing.frame),
        subject=missing.text,
        candidates=_renamed(missing, near),
        confidence=10,
    )


def _near(name: str, names: list[str]) -> list[str]:
    """Return the names that may be meant: those that differ least."""
    plain = name.replace("_", "").lower()
    equal = [one for one in names if one.replace("_", "").lower() == plain]
    longer = [one for one in names if one.startswith(name)]
    found = equal or longer or misspelled(name, names) or related(name, names)
    same = [one for one in found if one[0].isupper() == name[0].isupper()]
    return (same or found)[:SHOWN]


def _version(owner: ModuleType | type) -> str:
    package = __import__(owner.__module__ if isinstance(owner, type) else owner.__name__)
    version = getattr(package, "__version__", "")
    return f" {version}" if version else ""


def _renamed(missing: MissingAttribute, near: list[str]) -> tuple[Candidate, ...]:
    owner = missing.source.text_of(missing.node.value)
    new = [name[1:] if name.startswith("~") else f"{owner}.{name}" for name in near]
    same = [
        node
        for node in missing.source.expressions
        if isinstance(node, ast.Attribute) and missing.source.text_of(node) == missing.text
    ]
    attempts = [
        (rank, partial(edits.replace, missing.source, [(node, text) for node in same]))
        for rank, text in enumerate(new)
    ]
    return candidates(*attempts)


@rule(
    "what is called is a class or a function, not the module that has it",
    stays_quiet="if the module has no class or function of its own name",
)
def module_is_called(evidence: Evidence) -> Iterator[Finding]:
    """Find `torch.optim.adam(...)`, and `tqdm(...)` after `import tqdm`."""
    frame = require_failure(evidence, TypeError)
    call = frame.call
    owner = frame.value(call.func) if call else None
    if call is None or not isinstance(owner, ModuleType):
        return
    last, text = owner.__name__.rpartition(".")[2], frame.source.text_of(call.func)
    plain = last.replace("_", "").lower()
    own = [n for n in dir(owner) if n.lower() == plain and callable(getattr(owner, n, None))]
    if not own or is_user_file(getattr(owner, "__file__", None) or "<"):
        return
    outer = text.rpartition(".")[0]
    parent = frame.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
    new = f"{outer}.{own[0]}" if hasattr(parent, own[0]) else f"{text}.{own[0]}"
    yield Finding(
        kind="other",
        message=f"`{text}` is a module, and a module cannot be called",
        evidence=f"it has the {type(getattr(owner, own[0])).__name__} `{own[0]}`: use `{new}`",
        cause=frame_location(frame),
        subject=text,
        candidates=candidates((0, partial(edits.replace, frame.source, [(call.func, new)]))),
        confidence=10,
    )


@rule(
    "the last layer of a network is read by the name that it has there",
    stays_quiet="about networks of the program, and if two parts have such a name",
)
def head_has_another_name(evidence: Evidence) -> Iterator[Finding]:
    """Find `resnet.classifier`, where the last layer is `fc`."""
    missing = missing_attribute(evidence)
    owner = missing.owner
    if not isinstance(owner, nn.Module) or missing.name not in HEADS or missing.classes:
        return
    own = [name for name, _ in owner.named_children() if name in HEADS]
    if len(own) != 1:
        return
    text, kind = missing.source.text_of(missing.node.value), type(owner).__name__
    same = [
        node
        for node in missing.source.expressions
        if isinstance(node, ast.Attribute) and missing.source.text_of(node) == missing.text
    ]
    changes = [(node, f"{text}.{own[0]}") for node in same]
    yield Finding(
        kind="module",
        message=f"{kind} has no `{missing.name}`; its last layers are `{own[0]}`",
        evidence=f"its parts are {', '.join(name for name, _ in owner.named_children())}",
        cause=frame_location(missing.frame),
        subject=missing.text,
        candidates=candidates((0, partial(edits.replace, missing.source, changes))),
        confidence=10,
    )
