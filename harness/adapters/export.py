"""torch.export, strict, with a batch of any size: what ties the network to its example batch."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..tools.protocol import Diagnosis, Finding, Location, Role, Status
from ._opened import ModelTool, Opened
from ._raised import diagnosis, last_frame, raised, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXED_BATCH = "shape/hardcoded_batch_size"
VALUES = "compile_export_state/export_data_dependent"
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
SPECIALIZED = re.compile(r"specializ|ConstraintViolation|not all values of", re.IGNORECASE)
DATA_DEPENDENT = re.compile(r"[Dd]ata.dependent|GuardOnDataDependent|Dynamic control flow")


class Export(ModelTool):
    """`torch.export.export(net, inputs, dynamic_shapes=..., strict=True)`."""

    def examine(self, opened: Opened) -> Diagnosis:
        """Export the network; what it raises is the finding, unless export lacks something."""
        import torch  # noqa: PLC0415  (a list of the tools must not load it)

        shapes = any_batch(opened.inputs, torch.export.Dim("batch"))
        try:
            torch.export.export(opened.net, opened.inputs, dynamic_shapes=shapes, strict=True)
        except Exception as error:  # noqa: BLE001  (export raises of many classes)
            return answer(error, opened)
        return Diagnosis(Status.CLEAN)


def any_batch(inputs: tuple[Any, ...], dimension: object) -> Any:
    """Return dynamic shapes by which the first dimension of every tensor is the batch."""
    import torch  # noqa: PLC0415  (likewise)
    from torch.utils import _pytree as pytree  # noqa: PLC0415  (likewise)

    def of(value: object) -> Any:
        return {0: dimension} if isinstance(value, torch.Tensor) and value.ndim else None

    return pytree.tree_map(of, inputs)


def answer(error: Exception, opened: Opened) -> Diagnosis:
    """Return the finding behind an exception of export; unsupported where it is export's own.

    Strict export reads bytecode: what it cannot read (`Unsupported`) says nothing of the
    network, but a branch on values and a batch that is a constant do.
    """
    chain = list(causes(error))
    text = "\n".join(str(part) for part in chain)
    names = {type(part).__name__ for part in chain}
    found = at_user_code(raised(chain[-1], opened.request), chain, opened.request.file)
    if SPECIALIZED.search(text):
        rule = type(error).__name__
        return diagnosis([replace(raised(error, opened.request), kind=FIXED_BATCH, rule=rule,
                                  location=as_cause(found.location))])  # fmt: skip
    if DATA_DEPENDENT.search(text):
        return diagnosis([replace(found, kind=VALUES)])
    if names & {"Unsupported", "InternalTorchDynamoError", "UserError"}:
        return unsupported(error)
    return diagnosis([found])


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it came from, the first of all last."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__  # type: ignore[assignment]


def at_user_code(found: Finding, chain: list[BaseException], file: str) -> Finding:
    """Return a finding with the place in the program that dynamo read, if it names one."""
    if found.location is not None:
        return found
    for error in chain:
        stack = getattr(error, "real_stack", None) or [
            traceback.FrameSummary(match["file"], int(match["line"]), "")
            for match in FRAME.finditer(str(error))
        ]
        at = last_frame(stack, file, Role.SYMPTOM)
        if at is not None:
            return replace(found, location=at)
    return found


def as_cause(location: Location | None) -> Location | None:
    """Return a location as the line to change: where the batch became a constant."""
    return None if location is None else replace(location, role=Role.CAUSE)


tool = Export
