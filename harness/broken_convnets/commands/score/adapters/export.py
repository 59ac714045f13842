"""torch.export in strict mode with a dynamic batch: what ties the network to its example batch.

Export interprets bytecode with tensors that have no values. Python that it cannot interpret is
not a finding; an exception that the network raises is one.
"""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from broken_convnets.commands.score.adapters._kinds import kind_of
from broken_convnets.commands.score.adapters._opened import ModelTool, OpenedProgram
from broken_convnets.commands.score.adapters._raised import (
    brief,
    exception_finding,
    last_frame,
    program_location,
    unsupported_diagnosis,
)
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Status,
)
from broken_convnets.commands.score.protocol.validation import diagnosis_of
from broken_convnets.util.traceback_text import FRAME

if TYPE_CHECKING:
    from collections.abc import Mapping

FIXED_BATCH = "shape/hardcoded_batch_size"
VALUES = "state/export_data_dependent"
SPECIALIZED = re.compile(r"You marked \w+ as dynamic but your code specialized it to be .*?\.")
DATA_DEPENDENT = re.compile(r"Could not guard on data-dependent.*|[Dd]ata-dependent branching")
# The exception that the program itself would raise, as dynamo quotes it.
QUOTED = re.compile(
    r"(?:got|raised exception) (?P<type>\w+)\((?P<quote>['\"])(?P<message>.*?)(?P=quote)\)",
    re.DOTALL,
)


class Export(ModelTool):
    """`torch.export.export(net, inputs, dynamic_shapes=..., strict=True)`."""

    def prepare(self) -> None:
        """Export a small network: the first export is three times slower than later ones."""
        import torch  # noqa: PLC0415  (only when the tool runs)

        from broken_convnets.observe.preload import sample  # noqa: PLC0415  (only when the tool runs)

        net, inputs = sample()
        torch.export.export(net, inputs, dynamic_shapes=any_batch(inputs), strict=True)

    def examine(self, opened: OpenedProgram) -> Diagnosis:
        """Export the network with a dynamic batch size."""
        import torch  # noqa: PLC0415  (only when the tool runs)

        shapes = any_batch(opened.inputs)
        try:
            torch.export.export(opened.net, opened.inputs, dynamic_shapes=shapes, strict=True)
        except Exception as error:  # noqa: BLE001  (export raises of many classes)
            return answer(error, opened)
        return Diagnosis(Status.CLEAN)


def any_batch(inputs: tuple[Any, ...]) -> Any:
    """Return dynamic shapes in which the first dimension of every tensor is the batch.

    Export always treats a size of 0 or 1 as a constant, so such a batch stays static.
    """
    import torch  # noqa: PLC0415  (only when the tool runs)
    from torch.utils import _pytree as pytree  # noqa: PLC0415  (only when the tool runs)

    batch = torch.export.Dim("batch")

    def of(value: object) -> Mapping[int, Any] | None:
        several = isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) > 1
        return {0: batch} if several else None

    return pytree.tree_map(of, inputs)


def answer(error: Exception, opened: OpenedProgram) -> Diagnosis:
    """Return the diagnosis for an exception of export."""
    text, file = str(error), opened.request.file
    at, rule = read_place(error, file), type(error).__name__
    if fixed := SPECIALIZED.search(text):
        cause = None if at is None else replace(at, role=LocationRole.CAUSE)
        return diagnosis_of([Finding(fixed[0], FIXED_BATCH, rule=rule, location=cause)])
    if values := DATA_DEPENDENT.search(text):
        return diagnosis_of([Finding(brief(values[0]), VALUES, rule=rule, location=at)])
    if quoted := QUOTED.search(text):
        kind = kind_of(quoted["type"], quoted["message"])
        says = brief(quoted["message"]) or quoted["type"]
        return diagnosis_of([Finding(says, kind, rule=quoted["type"], location=at)])
    if type(error).__module__.startswith("torch._dynamo"):
        return unsupported_diagnosis(error)
    return diagnosis_of(
        [replace(exception_finding(error, opened.request, opened.net), location=at)]
    )


def read_place(error: Exception, file: str) -> Location | None:
    """Return the line of the program that was interpreted or running when it raised."""
    frames = [
        traceback.FrameSummary(match["file"], int(match["line"]), "")
        for match in FRAME.finditer(str(error))
    ]
    stack = getattr(error, "real_stack", None) or frames
    return last_frame(stack, file, LocationRole.SYMPTOM) or program_location(error, file)


tool = Export
