"""`check`: what it finds before any real work, what it cannot find, what it leaves alone."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import broken_convnets
import numpy as np
import pytest
import torch
from torch import nn

IMAGES = torch.zeros(2, 3, 8, 8)


class Net(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
    """A network with everything that a pass could change."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout()
        self.fc = nn.Linear(144, 5)
        self.mean = torch.full((3, 1, 1), 0.5)
        self.calls = 0
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.seen.append(x)
        x = self.drop(torch.relu(self.norm(self.conv(x - self.mean))))
        random.random()  # noqa: S311  (no secret)
        np.random.rand()  # noqa: NPY002  (the global generator is what is tested)
        return self.fc(torch.flatten(x, 1)) + torch.rand(5)


def test_a_healthy_network_passes_and_its_plain_tensor_is_a_hazard() -> None:
    found = broken_convnets.check(Net(), IMAGES)
    assert found.ok
    assert found.unknown == []
    assert found.hazards == [
        (
            "mean is a plain tensor: .to() and state_dict() leave it out; "
            "register it with register_buffer()"
        )
    ]
    assert found.tracing.rows[-1].output == "float32[2, 5]"


def broken(**layers: nn.Module) -> Net:
    net = Net()
    for name, layer in layers.items():
        setattr(net, name, layer)
    return net


@pytest.mark.parametrize(
    ("net", "images", "layer", "says"),
    [
        (broken(conv=nn.Conv2d(4, 4, 3)), IMAGES, "conv", "to have 4 channels, but got 3"),
        (broken(fc=nn.Linear(100, 5)), IMAGES, "fc", "[2, 144]"),
        (broken(norm=nn.BatchNorm2d(5)), IMAGES, "norm", "running_mean should contain 4"),
        (broken(fc=nn.Linear(144, 5).double()), IMAGES, "fc", "got float64 and float32"),
        (broken(fc=nn.Linear(144, 5).half()), IMAGES, "fc", "got float16 and float32"),
        (broken(norm=nn.BatchNorm2d(4).half()), IMAGES, "norm", "got float32 and float16"),
        (
            broken(conv=nn.Conv2d(3, 4, 3, bias=False)),
            IMAGES.double(),
            "conv",
            "got float64 and float32",
        ),
        (Net(), IMAGES.byte(), "conv", None),
        (broken(fc=nn.Linear(144, 5, device="meta")), IMAGES, "fc", "meta"),
        (Net(), torch.zeros(2, 3, 8, 8, device="meta"), "", "meta"),
        (Net(), [IMAGES], "", None),
    ],
)
def test_a_disagreement_names_its_layer(
    net: Net, images: Any, layer: str, says: str | None
) -> None:
    found = broken_convnets.check(net, images)
    real = broken_convnets.trace(net, images)
    if says is None and real.error is None:
        assert found.ok
        return
    assert not found.ok
    assert found.tracing.failed
    assert found.tracing.failed.path == layer
    assert says is None or says in str(found)
    assert real.failed
    assert real.failed.path == layer  # a real run fails there too
    assert "the network fails" in str(found)


def test_parameters_on_two_devices_are_a_hazard() -> None:
    found = broken_convnets.check(broken(fc=nn.Linear(144, 5, device="meta")), IMAGES)
    assert any(
        "several devices: cpu (conv.weight, conv.bias, norm.weight and 4 more), "
        "meta (fc.weight, fc.bias)" in text
        for text in found.hazards
    )


def test_nothing_changes_and_no_random_number_is_drawn() -> None:
    net, images = Net(), torch.randn(2, 3, 8, 8)
    before = copy.deepcopy(net.state_dict()), images.clone()
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (the global generator is what is tested)
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002  (the global generator is what is tested)
    attributes = {name: id(value) for name, value in vars(net).items()}
    found = broken_convnets.check(net, images)
    assert found.ok
    assert net.calls == 0
    assert net.seen == []
    assert attributes == {name: id(value) for name, value in vars(net).items()}
    assert all(torch.equal(net.state_dict()[key], value) for key, value in before[0].items())
    assert all(type(p) is nn.Parameter for p in net.parameters())
    assert torch.equal(images, before[1])
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    assert np.random.get_state()[1].tolist() == state[2]  # noqa: NPY002  (the global generator is what is tested)


def test_a_check_needs_neither_memory_nor_values() -> None:
    huge = nn.Sequential(*(nn.Linear(2**20, 2**20, device="meta") for _ in range(3)))
    assert broken_convnets.check(huge, torch.empty(2**20, 2**20, device="meta")).ok
    images = torch.zeros(1).expand(2**20, 2**20)  # 4 TB, had they been there
    assert broken_convnets.check(nn.Sequential(nn.ReLU(), nn.Tanh()), images).ok


class Looking(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
    def __init__(self, look: Any) -> None:
        super().__init__()
        self.look = look
        self.fc = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(x)
        return self.fc(x) if self.look(x) else x


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.sum() > 0,
        lambda x: x.max().item(),
        lambda x: len(x[x > 0]),
        lambda x: x.numpy().any(),
        lambda x: x.tolist(),
    ],
)
def test_what_depends_on_values_is_listed_as_unknown(look: Any) -> None:
    found = broken_convnets.check(Looking(look), IMAGES)
    assert found.ok
    assert len(found.unknown) == 1
    assert "reads values at `" in found.unknown[0]
    assert "in what could be checked" in str(found)
    assert "✗" not in str(found)


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_what_cannot_be_copied_is_listed_as_unknown() -> None:
    class Locked(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
        def __deepcopy__(self, memo: object) -> None:
            raise TypeError("locked")  # noqa: EM101  (as people write it)

    found = broken_convnets.check(nn.Sequential(Locked()), IMAGES)
    assert found.unknown == ["the network cannot be copied (TypeError: locked)"]
    found = broken_convnets.check(nn.Sequential(torch.jit.script(nn.ReLU())), IMAGES)
    assert "runs as TorchScript" in found.unknown[0]


def test_dtypes_are_checked_after_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert broken_convnets.check(Net(), IMAGES).ok
        assert broken_convnets.trace(Net(), IMAGES).error is None


def test_a_compiled_network_is_checked_as_written() -> None:
    compiled = torch.compile(broken(fc=nn.Linear(100, 5)), backend="eager")
    found = broken_convnets.check(compiled, IMAGES)
    assert found.tracing.failed
    assert found.tracing.failed.path == "fc"


def test_a_sick_check_would_be_caught() -> None:
    """The dtypes that pretended tensors let through are what OneDtype is for."""
    assert math.isfinite(broken_convnets.check(Net(), IMAGES).tracing.output.dim())
    layer = nn.Linear(8, 2).double()
    from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: PLC0415  (private: only here)

    with FakeTensorMode(allow_non_fake_inputs=True):
        assert nn.Linear(8, 2)(torch.ones(1, 8, dtype=torch.float64)).shape == (1, 2)
    assert not broken_convnets.check(layer, torch.ones(1, 8)).ok
