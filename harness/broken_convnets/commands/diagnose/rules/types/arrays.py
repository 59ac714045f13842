"""How an array becomes a tensor that a network accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast

    from broken_convnets.commands.diagnose.analysis.culprits import Culprit
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

IMAGE = 3  # dimensions of one image
CHANNELS = {1, 3, 4}


def as_tensors(text: str, array: object) -> list[str]:
    """Return expressions that convert an array; for one image, the batch that a network reads."""
    shape = tuple(getattr(array, "shape", ()))
    plain = f"torch.from_numpy({text})"
    found = [plain, f"{plain}.float()"]
    if len(shape) == IMAGE and shape[-1] in CHANNELS and shape[0] not in CHANNELS:
        scale = " / 255" if str(getattr(array, "dtype", "")) == "uint8" else ""
        found.insert(0, f"{plain}.permute(2, 0, 1)[None].float(){scale}")
    return found


def passed_at(evidence: Evidence, one: Culprit) -> tuple[Source, ast.expr]:
    """Return the argument that passes the array on, of the outermost call that does."""
    for frame in reversed(evidence.frames):
        for node in frame.call.args if frame.call else []:
            if frame.value(node) is one.value:
                return frame.source, node
    return one.frame.source, one.node
