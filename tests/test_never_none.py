"""No layer turns a tensor into None, whatever its dtype and number of dimensions."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest
import torch
from torch import nn

LAYERS = [
    nn.Conv1d(3, 4, 3),
    nn.Conv2d(3, 4, 3),
    nn.Conv3d(3, 4, 3),
    nn.ConvTranspose2d(3, 4, 3),
    nn.Linear(5, 4),
    nn.BatchNorm1d(3),
    nn.BatchNorm2d(3),
    nn.GroupNorm(3, 3),
    nn.MaxPool2d(2),
    nn.AvgPool2d(2),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.ReLU(),
    nn.Softmax(dim=1),
    nn.Dropout(),
    nn.Upsample(scale_factor=2),
    nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2)),
]
DTYPES = [
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.bool,
]
SIZES = [
    (),
    (3,),
    (10, 3),
    (3, 10),
    (3, 5, 5),
    (10, 3, 5, 5),
    (10, 5, 5, 3),
    (2, 3, 5, 5, 5),
    (1,) * 6,
]


def _outcome(layer: nn.Module, dtype: torch.dtype, size: tuple[int, ...]) -> str:
    tensor = torch.zeros(size, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            output = layer(tensor)
        except Exception as error:  # noqa: BLE001  (any exception will do)
            return type(error).__name__
    return type(output).__name__


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_a_layer_returns_a_tensor_or_raises(layer: nn.Module) -> None:
    found = Counter(_outcome(layer, dtype, size) for dtype in DTYPES for size in SIZES)
    raised = {name for name in found if name.endswith(("Error", "Exception"))}
    assert set(found) - raised == {"Tensor"}, found


def test_a_layer_that_returns_none_would_be_noticed() -> None:
    forgetful = nn.ReLU()
    forgetful.forward = lambda _: None
    assert _outcome(forgetful, torch.float32, (3,)) == "NoneType"
