"""Record the images that torchvision converts to tensors: only those of 8 bits are scaled."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from types import FrameType

    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator

FILES = (
    "/torchvision/transforms/functional.py",
    "/torchvision/transforms/v2/functional/_type_conversion.py",
)
# Functions, and which of their arguments is the image.
FUNCTIONS = {"to_tensor": "pic", "to_image": "inpt"}
LAST_OF_CONVERSION = "contiguous"  # the operator whose output to_tensor() returns, or scales
READ = 16  # arrays of one place
LARGE = 4_000_000  # numbers of an array that is not read
SAMPLE = 4_096  # numbers that are compared, about
RANKS = (2, 3)


@dataclass(frozen=True, slots=True)
class ImageConversion:
    """An image that becomes the output of `operator`, and its range.

    `levels` counts its different numbers, of a sample. `bits8` is whether it has 8-bit integers.
    """

    operator: Operator
    function: str
    dtype: str
    channels: int
    low: float
    high: float
    levels: int
    bits8: bool


class ImageConversions:
    """Looks at the images that to_tensor() receives, while it runs."""

    def __init__(self, record: Record) -> None:
        """Start with no image known."""
        self._record = record
        self._read: Counter[object] = Counter()

    def look(self, operator: Operator, caller: FrameType) -> None:
        """Look at the image; `operator` is called LAST_OF_CONVERSION."""
        if not operator.places:
            return
        code = caller.f_code
        argument = FUNCTIONS.get(code.co_name)
        if argument is None or not code.co_filename.replace("\\", "/").endswith(FILES):
            return
        try:
            self._add(operator, code.co_name, _array(caller.f_locals.get(argument)))
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)

    def _add(self, operator: Operator, function: str, array: np.ndarray[Any, Any] | None) -> None:
        if array is None:
            return
        key = operator.place, array.dtype
        self._read[key] += 1
        if self._read[key] <= READ:
            found = _conversion(operator, function, array)
            self._record.content_facts.image_conversions.append(found)


def _array(image: Any) -> np.ndarray[Any, Any] | None:
    """Return the numbers of an array or of a picture of PIL; None if they are not to be read."""
    if not isinstance(image, np.ndarray):
        mode: Any = getattr(image, "mode", None)
        size: Any = getattr(image, "size", ())
        if not isinstance(mode, str) or len(size) != 2 or size[0] * size[1] > LARGE:  # noqa: PLR2004  (width, height)
            return None
        image = np.asarray(image)
    read = image.ndim in RANKS and 0 < image.size <= LARGE and image.dtype.kind in "uif"
    return image if read else None


def _conversion(operator: Operator, function: str, array: np.ndarray[Any, Any]) -> ImageConversion:
    flat = array.reshape(-1)
    sample = flat[:: 1 + flat.size // SAMPLE]
    return ImageConversion(
        operator,
        function,
        str(array.dtype),
        array.size // math.prod(array.shape[:2]),
        float(array.min()),
        float(array.max()),
        len(np.unique(sample)),
        array.dtype == np.uint8,
    )
