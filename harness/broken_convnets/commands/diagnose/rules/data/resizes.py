"""Which pictures of few different numbers PIL and OpenCV resize while a sample is read."""

from __future__ import annotations

import contextlib
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F  # noqa: N812  (its usual name)

from broken_convnets.commands.diagnose.rules.data.pictures import tensor_of
from broken_convnets.observe.recorder.passed_masks import is_mask
from broken_convnets.observe.recorder.places import user_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.observe.recorder.places import Place

PLANE = 2  # dimensions: height and width
WHITE = 255


@dataclass(frozen=True, eq=False)
class Resize:
    """A call: the picture before and afterwards, and who called."""

    before: torch.Tensor
    after: torch.Tensor
    places: tuple[Place, ...]

    @property
    def is_binary(self) -> bool:
        """Whether the picture had black and white pixels only, 0 and 255, and has more now."""
        black_or_white = (self.before == 0) | (self.before == WHITE)
        return bool(black_or_white.all()) and self.lost > 0

    @property
    def whole(self) -> torch.Tensor:
        """The pixels that are white: those that remain if a cast truncates numbers from 0 to 1."""
        return (self.after == WHITE).long()

    @property
    def lost(self) -> int:
        """How many pixels are nearer to white than to black, and not white."""
        return int(((2 * self.after > WHITE) & (self.after < WHITE)).sum())

    @property
    def invented(self) -> int:
        """How many pixels have a number that no pixel near them had before."""
        ratios = (a / b for a, b in zip(self.before.shape, self.after.shape, strict=True))
        reach = math.ceil(max(ratios) / 2) + 1
        count = 0
        for number in torch.unique(self.after):
            had = (self.before == number).float()[None, None]
            near = F.max_pool2d(had, 2 * reach + 1, stride=1, padding=reach)
            near = F.interpolate(near, size=tuple(self.after.shape))[0, 0]
            count += int(((self.after == number) & (near == 0)).sum())
        return count


@contextlib.contextmanager
def blending_resizes() -> Iterator[list[Resize]]:
    """Note the calls of `Image.resize` and `cv2.resize` inside the block."""
    found: list[Resize] = []
    image = getattr(sys.modules.get("PIL.Image"), "Image", None)
    owners: list[Any] = [image, sys.modules.get("cv2")]
    with contextlib.ExitStack() as undo:
        for owner in owners:
            if not hasattr(owner, "resize"):
                continue
            original = owner.resize
            owner.resize = _noting(original, found)
            undo.callback(setattr, owner, "resize", original)
        yield found


def _noting(original: Callable[..., Any], found: list[Resize]) -> Callable[..., Any]:
    def resize(picture: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(picture, *args, **kwargs)
        before, after = tensor_of(picture), tensor_of(result)
        if before is not None and after is not None and is_mask(before):
            planes = before.squeeze().long(), after.squeeze().long()
            if all(plane.dim() == PLANE for plane in planes):
                places = user_places(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
                found.append(Resize(*planes, places))
        return result

    return resize
