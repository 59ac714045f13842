"""How a program can convert a PIL image to a tensor, with what it has imported."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLASSIC = {"torchvision.transforms": "ToTensor()({text})"}
FUNCTIONS = {
    "torchvision.transforms.functional": "to_tensor({text})",
    "torchvision.transforms.v2.functional": "to_dtype({name}.pil_to_tensor({text}), scale=True)",
}


def to_tensor_calls(world: Mapping[str, object], text: str) -> Iterator[str]:
    """Yield the expressions that convert `text`, by the names in the globals of a file."""
    for name, value in world.items():
        if getattr(value, "__name__", "") == "ToTensor" and isinstance(value, type):
            yield f"{name}()({text})"
        if not isinstance(value, ModuleType):
            continue
        if value.__name__ in CLASSIC:
            yield f"{name}.{CLASSIC[value.__name__].format(text=text)}"
        if value.__name__ in FUNCTIONS:
            yield f"{name}.{FUNCTIONS[value.__name__].format(name=name, text=text)}"
        if value.__name__ == "torchvision":
            yield f"{name}.transforms.functional.to_tensor({text})"
