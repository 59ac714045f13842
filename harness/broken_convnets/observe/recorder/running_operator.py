"""What is known of an operator while it runs, and what can be asked of its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

    from broken_convnets.observe.recorder.recorded_events import Operator


class Begun(NamedTuple):
    """An operator that is running, its input tensors, and how often each was written to before."""

    operator: Operator
    taken: list[torch.Tensor]
    versions: list[int]

    def written(self) -> list[torch.Tensor]:
        """Return the input tensors that were written to since then."""
        pairs = zip(self.taken, self.versions, strict=True)
        return [tensor for tensor, version in pairs if version_of(tensor) != version]


def version_of(tensor: torch.Tensor) -> int:
    """Return how often a tensor was written to; torch does not count it in inference mode."""
    return 0 if tensor.is_inference() else int(tensor._version)  # noqa: SLF001  (no public equivalent)
