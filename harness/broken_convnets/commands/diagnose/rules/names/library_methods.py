"""Methods are called on objects that have them: tensors, arrays, numbers, images, iterators."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, shortened
from broken_convnets.commands.diagnose.analysis.missing_attributes import missing_attribute
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import OtherRun, rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.missing_attributes import MissingAttribute
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate

KIND = "none/non_tensor_input"
PIL = "data/pil_not_tensor"
OTHER = "other"
TO_DTYPE = {"float": "float()", "int": "long()", "bool": "bool()"}  # of Python's types
TENSOR_METHODS = {  # of NumPy arrays: the method of a tensor
    "copy": "clone",
    "fill": "fill_",
    "compress": "masked_select",
    "cumproduct": "cumprod",
    "setflags": "",
    "tofile": "",
    "tobytes": "",
    "astype": "to",
}
# Methods that lead from a tensor to an array or a number: what has become one needs none of them.
OUT = frozenset({"numpy", "item", "detach", "cpu", "cuda", "requires_grad_", "clone"})
PYTHON_2 = {"iteritems": "items", "itervalues": "values", "iterkeys": "keys"}
IMAGE_AS_TENSOR = frozenset(
    {"shape", "ndim", "dim", "permute", "unsqueeze", "to", "float", "mean", "view", "dtype"}
)


@dataclass(frozen=True)
class Meant:
    """What to write instead of the call or the attribute, and why."""

    message: str
    evidence: str
    new: tuple[str, ...]  # the best first
    kind: str = OTHER


@rule(
    "methods are called on objects that have them",
    stays_quiet="about objects other than tensors, arrays, numbers, images, iterators and "
    "dictionaries, and about methods that none of them has",
)
def method_of_another_library(evidence: Evidence) -> Iterator[Finding]:
    """Find `tensor.astype`, `array.cpu`, `number.item`, `image.shape` and `iterator.next`."""
    missing = missing_attribute(evidence)
    found = _meant(missing)
    if found is None:
        return
    yield Finding(
        kind=found.kind,
        message=found.message,
        evidence=found.evidence,
        cause=frame_location(missing.frame),
        subject=missing.text,
        candidates=_instead(missing, found.new),
        confidence=10,
    )


def has_another_method(evidence: Evidence) -> bool:
    """Return whether the failure is about a method for which there is another one."""
    try:
        return _meant(missing_attribute(evidence)) is not None
    except OtherRun:
        return False


def _meant(missing: MissingAttribute) -> Meant | None:
    return _of_tensor(missing) or _taken_out(missing) or _of_image(missing) or _of_python_2(missing)


def _instead(missing: MissingAttribute, new: tuple[str, ...]) -> tuple[Candidate, ...]:
    node = _whole(missing)
    attempts = [(n, partial(edits.replace, missing.source, [(node, t)])) for n, t in enumerate(new)]
    return candidates(*attempts)


def _call(missing: MissingAttribute) -> ast.Call | None:
    """Return the call of the missing method."""
    parent = missing.source.parent(missing.node)
    called = isinstance(parent, ast.Call) and parent.func is missing.node
    return parent if called and isinstance(parent, ast.Call) else None


def _whole(missing: MissingAttribute) -> ast.expr:
    return _call(missing) or missing.node


def _receiver(missing: MissingAttribute) -> str:
    node = missing.node.value
    text = missing.source.text_of(node)
    simple = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return text if simple else f"({text})"


def _of_tensor(missing: MissingAttribute) -> Meant | None:
    """Return the method of a tensor that is meant by a method of an array."""
    if not isinstance(missing.owner, torch.Tensor) or missing.name not in TENSOR_METHODS:
        return None
    text, own = shortened(_receiver(missing)), TENSOR_METHODS[missing.name]
    new = _converted(missing) if missing.name == "astype" else _same_call(missing, own)
    use = f"a tensor has `{own}`" if own else "convert it with `.numpy()` first"
    message = f"`{text}` is a tensor, and `{missing.name}` is a method of NumPy arrays"
    return Meant(message, use, new)


def _same_call(missing: MissingAttribute, method: str) -> tuple[str, ...]:
    call = _call(missing)
    inside = ", ".join(map(missing.source.text_of, call.args)) if call else ""
    return (f"{_receiver(missing)}.{method}({inside})",) if method and call else ()


def _converted(missing: MissingAttribute) -> tuple[str, ...]:
    """Return the conversion of a tensor to the type that `astype` received."""
    call = _call(missing)
    if call is None or len(call.args) != 1 or call.keywords:
        return ()
    node = call.args[0]
    named = node.value if isinstance(node, ast.Constant) else missing.source.text_of(node)
    name = str(named).rpartition(".")[2].rstrip("_")
    if name in TO_DTYPE:
        return (f"{_receiver(missing)}.{TO_DTYPE[name]}",)
    known = isinstance(getattr(torch, name, None), torch.dtype)
    return (f"{_receiver(missing)}.to(torch.{name})",) if known else ()


def _taken_out(missing: MissingAttribute) -> Meant | None:
    """Return an array or a number itself, of which a method of tensors is asked."""
    kind = type(missing.owner).__name__
    module = type(missing.owner).__module__
    number = isinstance(missing.owner, int | float | complex)
    if missing.name not in OUT or not (number or module == "numpy"):
        return None
    call, text = _call(missing), shortened(_receiver(missing))
    new = (_receiver(missing),) if call and not call.args and not call.keywords else ()
    what = "number" if number else f"NumPy {kind}"
    message = f"`{text}` is a {what} already, and `{missing.name}` is a method of tensors"
    return Meant(
        message, f"its type is {kind}: use `{text}` itself", new, OTHER if number else KIND
    )


def _of_image(missing: MissingAttribute) -> Meant | None:
    """Return the conversion of a PIL image that is used like a tensor or an array."""
    if not type(missing.owner).__module__.startswith("PIL.") or missing.name not in IMAGE_AS_TENSOR:
        return None
    text, namespace = _receiver(missing), missing.frame.scope
    tensors = [
        f"{name}.{'functional.' if name == 'transforms' else ''}to_tensor({text})"
        for name in ("TF", "transforms")
        if hasattr(namespace.world.get(name), "to_tensor" if name == "TF" else "functional")
    ]
    arrays = [f"np.asarray({text})"] if "np" in namespace.world else []
    rest = missing.source.text_of(_whole(missing))[len(text) :]
    new = tuple(f"{one}{rest}" for one in (tensors[:1] + arrays))
    message = f"`{shortened(text)}` is a PIL image, which has no `{missing.name}`"
    return Meant(message, "convert it to a tensor first, as transforms.ToTensor() does", new, PIL)


def _of_python_2(missing: MissingAttribute) -> Meant | None:
    """Return what Python 3 has instead of a method of Python 2."""
    text, call = _receiver(missing), _call(missing)
    if missing.name == "next" and call and not call.args:
        if hasattr(missing.owner, "__next__"):
            message = f"`{shortened(text)}` is an iterator, which has no method `next`"
            return Meant(message, "Python 3 has the function next()", (f"next({text})",))
        if hasattr(missing.owner, "__iter__"):
            message = f"`{shortened(text)}` has no method `next`"
            return Meant(message, "next() needs an iterator of it", (f"next(iter({text}))",))
    if not isinstance(missing.owner, dict):
        return None
    message = f"`{missing.name}` is a method of dictionaries in Python 2"
    if missing.name in PYTHON_2:
        own = PYTHON_2[missing.name]
        return Meant(message, f"Python 3 has `{own}`", (f"{text}.{own}()",))
    if missing.name == "has_key" and call and len(call.args) == 1:
        key = missing.source.text_of(call.args[0])
        return Meant(message, "Python 3 has the operator `in`", (f"({key} in {text})",))
    return None
