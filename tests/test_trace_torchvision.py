"""Networks of torchvision that no case resembles, each broken at random: is the layer named?"""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any

import broken_convnets
import pytest
import torch
import torchvision
from broken_convnets.commands.trace import trace as tracing
from broken_convnets.observe.recorder import passes
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.trace.trace import Tracing

NETWORKS = [
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "mnasnet0_5",
    "mobilenet_v2",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
]
EXTRA: dict[str, dict[str, Any]] = {"googlenet": {"init_weights": False, "aux_logits": False}}
AT_LEAST = 28  # of 30


class GivesNothing(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> None:
        self.inner(x)


def is_conv(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups == 1


def other_channels(layer: Any) -> nn.Module:
    return nn.Conv2d(layer.in_channels + 1, layer.out_channels, layer.kernel_size[0])


def other_features_or_dtype(layer: Any) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features - 1, layer.out_features)
    return copy.deepcopy(layer).half()


# How to break a layer, and which can be broken so.
BREAKS: list[tuple[Callable[[nn.Module], nn.Module], Callable[[nn.Module], bool]]] = [
    (other_channels, is_conv),
    (other_features_or_dtype, lambda layer: isinstance(layer, nn.Conv2d | nn.Linear)),
    (GivesNothing, lambda layer: not list(layer.children())),
]


def broken_in_three_ways(name: str) -> list[tuple[str, str, Tracing]]:
    """Return, for each way, the path of the layer that was broken and the tracing."""
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None, **EXTRA.get(name, {})).eval()
    images = torch.randn(2, 3, 64, 64)
    found = []
    for number, (break_it, fits) in enumerate(BREAKS):
        chosen = random.Random(f"{name} {number}")  # noqa: S311  (no secret)
        paths = [path for path, layer in net.named_modules() if path and fits(layer)]
        path = chosen.choice(paths)
        healthy = net.get_submodule(path)
        set_layer(net, path, break_it(healthy))
        found.append((break_it.__name__, path, broken_convnets.trace(net, images)))
        set_layer(net, path, healthy)
    assert broken_convnets.trace(net, images).error is None  # it was healthy but for the break
    return found


def set_layer(net: nn.Module, path: str, layer: nn.Module) -> None:
    above, _, name = path.rpartition(".")
    setattr(net.get_submodule(above), name, layer)


def named(found: list[tuple[str, str, Tracing]]) -> list[bool]:
    return [t.suspect is not None and t.suspect.path == path for _, path, t in found]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    former = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny images: on a busy machine threads wait for each other
    yield
    torch.set_num_threads(former)


@pytest.fixture(scope="module")
def found() -> list[tuple[str, str, Tracing]]:
    return [item for name in NETWORKS for item in broken_in_three_ways(name)]


@pytest.mark.slow
def test_the_broken_layer_is_named(found: list[tuple[str, str, Tracing]]) -> None:
    wrong = [
        f"{way} at {path}: {tracing}"
        for way, path, tracing in found
        if not named([(way, path, tracing)])[0]
    ]
    assert len(found) == 30
    assert sum(named(found)) >= AT_LEAST, "\n".join(wrong)


@pytest.mark.slow
def test_all_of_them_failed_and_the_table_ends_in_the_failure(
    found: list[tuple[str, str, Tracing]],
) -> None:
    for way, path, t in found:
        assert t.error is not None, f"{way} at {path}"
        assert [row.failed for row in t.rows].count(True) == 1
        assert t.rows[0].output is None
        assert "✗" in str(t)


def test_a_sick_tracer_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def outermost(error: BaseException) -> list[nn.Module]:
        return passes.running_modules(error)[:1]

    monkeypatch.setattr(tracing, "running_modules", outermost)
    assert not any(named(broken_in_three_ways("resnet18")[:2]))
