"""Each statement about PyTorch on the pages, beyond what a case itself shows, is true."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from kit import our_corpus
from PIL import Image
from torch import nn
from torch.nn import functional as F  # noqa: N812  (its name everywhere)
from torch.utils.data import default_collate
from torchvision.transforms import PILToTensor, ToTensor

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = torch.zeros(3, 8, 8)
WHITE = Image.fromarray(np.full((2, 2, 3), 255, dtype=np.uint8))
MAP = torch.zeros(4, 8, 6, 6)

EXCEPTIONS: dict[str, tuple[Callable[[], object], str]] = {
    "none/dataset_returns_none: not the first of its batch": (
        lambda: default_collate([IMAGE, None]),
        "expected Tensor as element 1 in argument 0, but got NoneType",
    ),
    "none/trailing_comma_tuple: the third place is the bias": (
        lambda: nn.Conv2d(3, 8, 3, bias=False)((IMAGE,)),
        r"got \(tuple, Parameter, NoneType",
    ),
    "batch/hardcoded_batch_size: with -1 the Linear is blamed": (
        lambda: nn.Linear(288, 10)(torch.zeros(2, 8, 6, 6).view(4, -1)),
        r"cannot be multiplied \(4x144 and 288x10\)",
    ),
    "batch/view_merges_pixels_into_batch: one-hot labels, flattened": (
        lambda: F.cross_entropy(torch.zeros(4, 10), torch.eye(10)[:4].long().view(-1)),
        r"input batch_size \(4\) to match target batch_size \(40\)",
    ),
    "shape/linear_in_features_image_size: without a flatten": (
        lambda: nn.Linear(288, 10)(MAP),
        r"cannot be multiplied \(192x6 and 288x10\)",
    ),
    "dtype/float_class_labels: an integer output has no gradient": (
        lambda: torch.zeros(4, 10, requires_grad=True).long().sum().backward(),
        "does not require grad",
    ),
}


@pytest.mark.parametrize("claim", EXCEPTIONS)
def test_pytorch_raises(claim: str) -> None:
    call, message = EXCEPTIONS[claim]
    with pytest.raises(Exception, match=message):
        call()


FACTS: dict[str, Callable[[], bool]] = {
    "dtype/float_class_labels: Tensor makes floats, tensor keeps integers": lambda: (
        torch.Tensor([1]).dtype is torch.float32 and torch.tensor([1]).dtype is torch.int64
    ),
    "dtype/float64_images: from_numpy shares memory and dtype": lambda: (
        torch.from_numpy(array := np.zeros(2)).dtype is torch.float64
        and torch.from_numpy(array).data_ptr() == array.ctypes.data
    ),
    "dtype/uint8_images: ToTensor converts and scales, PILToTensor copies": lambda: (
        float(ToTensor()(WHITE).max()) == 1.0 and int(PILToTensor()(WHITE).max()) == 255
    ),
    "batch/squeezed_batch_of_one: the batch goes too": lambda: (
        torch.zeros(1, 8, 1, 1).squeeze().shape == (8,)
    ),
    "batch/batchnorm_single_value: eval mode takes one value": lambda: (
        nn.BatchNorm1d(8).eval()(torch.zeros(1, 8)).shape == (1, 8)
    ),
    "batch/softmax_over_batch: one image has 1.0 for every class": lambda: bool(
        (torch.softmax(torch.randn(1, 10), dim=0) == 1).all()
    ),
    "shape/residual_channel_mismatch: one channel broadcasts": lambda: (
        (torch.zeros(4, 16, 2, 2) + torch.zeros(4, 1, 2, 2)).shape == (4, 16, 2, 2)
    ),
    "shape/channels_last_images: eight channels would run": lambda: (
        nn.Conv2d(8, 8, 3)(torch.zeros(4, 8, 8, 3)).shape == (4, 8, 6, 1)
    ),
    "shape/flatten_before_linear: flatten() folds the batch, Flatten does not": lambda: (
        torch.flatten(MAP).shape == (1152,) and nn.Flatten()(MAP).shape == (4, 288)
    ),
    "batch/unbatched_image: Flatten takes the channels for the batch": lambda: (
        nn.Flatten()(nn.Conv2d(3, 8, 3)(IMAGE)).shape == (8, 36)
    ),
    "none/append_result_assigned: in-place methods of PyTorch return the object": lambda: (
        MAP.relu_() is MAP and (net := nn.ReLU()).eval() is net
    ),
}


@pytest.mark.parametrize("claim", FACTS)
def test_a_fact_is_true(claim: str) -> None:
    assert FACTS[claim]()


def _claims() -> dict[str, Any]:
    """Return every claim of the modules in `claims/`."""
    found: dict[str, Any] = {}
    for path in sorted((Path(__file__).parent / "claims").glob("*.py")):
        module = importlib.import_module(f"claims.{path.stem}")
        found |= getattr(module, "CLAIMS", {})
    return found


CLAIMS = _claims()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_true(name: str) -> None:
    torch.manual_seed(0)
    claim = CLAIMS[name]
    if not isinstance(claim, tuple):
        assert claim()
        return
    call, message = claim
    with pytest.raises(Exception, match=message):
        call()


def test_a_claim_is_about_an_entry_of_the_corpus() -> None:
    ids = our_corpus().ids
    names = [name.partition(":")[0] for name in (*CLAIMS, *FACTS, *EXCEPTIONS)]
    assert [name for name in names if name not in ids] == []
