"""`trace` as a function and as a context manager: what it shows, what it leaves alone."""

from __future__ import annotations

import gc
import itertools
import math
import random
import sys
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import broken_convnets
import numpy as np
import pytest
import torch
import torchvision
from broken_convnets.observe import recorder
from broken_convnets.observe.describe import all_finite, describe
from broken_convnets.observe.recorder import Recorder
from broken_convnets.observe.recorder.patches import HIDDEN
from broken_convnets.verdicts.layer_lines import layer_line
from torch import nn
from torch.optim import optimizer as steps
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from broken_convnets.commands.trace.trace import Tracing

IMAGES = torch.zeros(2, 3, 8, 8)
RECORDER = {HIDDEN, *map(str, Path(recorder.__file__).parent.glob("*.py"))}
KEYS: dict[str, int] = {}


class Calling(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
    """A network whose forward is a function of a test."""

    def __init__(self, forward: Callable[..., Any], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._forward = forward

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        return self._forward(self, *inputs, **keywords)


class Own(Exception):  # noqa: N818  (someone's)
    pass


def paths(tracing: Tracing) -> list[str]:
    return [row.path for row in tracing.rows]


def raising(error: BaseException) -> Callable[..., Any]:
    def forward(*_: object) -> None:
        raise error

    return forward


def replaced() -> list[object]:
    """Return all that a recorder could have replaced in this process and not restored."""
    patched = [nn.Module.__call__, nn.Module.__init__, nn.Module.train, torch.autograd.backward]
    return [*patched, *steps._global_optimizer_pre_hooks, *_get_current_function_mode_stack()]  # noqa: SLF001  (hooks have no public list)


def chain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.Dropout(),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(144, 5),
    )


def test_a_pass_that_works_has_a_row_per_call_and_its_output() -> None:
    t = broken_convnets.trace(chain(), IMAGES)
    assert (t.error, t.failed, t.suspect) == (None, None, None)
    assert t.output.shape == (2, 5)
    assert [layer_line(row) for row in t.rows[:2]] == [
        "Sequential: float32[2, 3, 8, 8] -> float32[2, 5]",
        "0 Conv2d: float32[2, 3, 8, 8] -> float32[2, 4, 6, 6]",
    ]


def test_the_layer_that_fails_is_marked_and_nothing_is_raised() -> None:
    net = chain()
    net[5] = nn.Linear(143, 5)
    t = broken_convnets.trace(net, IMAGES)
    assert isinstance(t.error, RuntimeError)
    assert t.failed
    assert (t.failed.path, t.failed.output) == ("5", None)
    assert t.suspect is t.failed
    assert "◄ failed here" in str(t)
    assert "torch.nn.functional.linear(float32[2, 144], float32[5, 143], float32[5])" in str(t)


def test_code_between_the_layers_is_named_by_its_operator_and_its_text() -> None:
    net = Calling(lambda net, x: net.a(x) + net.b(x), a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(3, 5, 3))
    t = broken_convnets.trace(net, IMAGES)
    assert t.failure
    assert t.failed
    assert t.failed.path == ""
    assert t.failure.operator == "torch.Tensor.add(float32[2, 4, 6, 6], float32[2, 5, 6, 6])"
    assert t.failure.expression == "net.a(x) + net.b(x)"
    assert t.failure.file == __file__


def test_an_error_outside_of_torch_has_no_operator() -> None:
    t = broken_convnets.trace(Calling(lambda *_: KEYS["key"]), IMAGES)
    assert t.failure
    assert (t.failure.type, t.failure.operator, t.failure.expression) == (
        "KeyError",
        "",
        'KEYS["key"]',
    )


def test_the_layer_that_returned_the_first_none_is_the_suspect() -> None:
    gives_none = Calling(lambda *_: None)
    inner = nn.Sequential(nn.ReLU(), gives_none)
    t = broken_convnets.trace(nn.Sequential(inner, nn.Linear(2, 2)), IMAGES)
    assert [row.path for row in t.rows if "returned None" in row.annotations] == ["0.1"]
    assert t.failed
    assert t.suspect
    assert (t.failed.path, t.suspect.path) == ("1", "0.1")
    assert "look first at 0.1 Calling: it returned None" in str(t)


def test_none_from_between_the_layers_is_marked_at_the_input() -> None:
    t = broken_convnets.trace(Calling(lambda net, _: net.fc(None), fc=nn.Linear(2, 2)), IMAGES)
    assert [row.path for row in t.rows if "input is None" in row.annotations] == ["fc"]


def test_an_optional_none_is_not_marked() -> None:
    attend = nn.MultiheadAttention(4, 1, batch_first=True)
    x = torch.ones(1, 2, 4)
    t = broken_convnets.trace(attend, x, x, x, need_weights=False, attn_mask=None)
    assert t.rows[0].output == "(float32[1, 2, 4], None)"
    assert not any(row.annotations for row in t.rows)


@pytest.mark.parametrize(("value", "begins"), [((IMAGES,), "("), ([IMAGES], "["), ({}, "{")])
def test_the_layer_that_returned_another_wrong_type_is_the_suspect(
    value: object, begins: str
) -> None:
    net = nn.Sequential(Calling(lambda *_: value), nn.Conv2d(3, 3, 1))
    t = broken_convnets.trace(net, IMAGES)
    assert t.suspect
    assert t.suspect.path == "0"
    assert (t.suspect.output or "").startswith(begins)


def test_the_first_non_finite_value_of_a_pass_is_marked() -> None:
    net = nn.Sequential(nn.ReLU(), Calling(lambda _, x: x / 0), nn.Flatten())
    t = broken_convnets.trace(net, IMAGES)
    assert [
        row.path for row in t.rows if "first non-finite value in the output" in row.annotations
    ] == ["1"]
    t = broken_convnets.trace(net, IMAGES / 0)
    assert "first non-finite value in the inputs" in t.rows[0].annotations


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64]
)
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_one_bad_number_among_many_is_found(dtype: torch.dtype, bad: float) -> None:
    numbers = torch.ones(10_001, dtype=dtype)
    assert all_finite(numbers)
    numbers[5_000] = bad
    assert all_finite(numbers) is False
    both = torch.tensor([math.inf, -math.inf, 1.0])
    assert all_finite(both) is False


def test_a_sum_that_overflows_is_not_an_infinity() -> None:
    assert all_finite(torch.full((100,), 3e38))
    assert all_finite(torch.full((100,), 6e4, dtype=torch.float16))
    assert all_finite(torch.empty(0))


def test_only_values_of_plain_tensors_are_read() -> None:
    class Other(torch.Tensor):  # type: ignore[misc]  # torch is not there for mypy
        pass

    bad = torch.tensor([math.nan])
    assert describe(bad) == "float32[1] non-finite"
    assert describe(nn.Parameter(bad)) == "float32[1] non-finite"
    assert describe(bad.as_subclass(Other)) == "float32[1]"
    assert describe(bad.to("meta"), "cpu") == "float32[1]@meta"


class Pair(NamedTuple):
    first: torch.Tensor
    second: None


@dataclass
class Output:
    logits: torch.Tensor
    hidden: object = None


class Looping(list[object]):
    def __init__(self) -> None:
        super().__init__([self])


class Refusing(dict[str, object]):
    def items(self) -> Any:
        raise Own


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Pair(torch.ones(1), None), "(float32[1], None)"),
        (Output(torch.ones(2)), "Output(logits=float32[2], hidden=None)"),
        (OrderedDict(out=torch.ones(1, dtype=torch.int64)), "{out: int64[1]}"),
        (list(range(100)), f"[{'int, ' * 64}… 36 more]"),
        (Looping(), "[[[[[[…]]]]]]"),
        (Refusing(a=1), "Refusing"),
        (nn.UninitializedParameter(), "UninitializedParameter"),
        (torch.nn.Linear, "type"),
    ],
)
def test_any_value_has_a_short_description(value: object, text: str) -> None:
    assert describe(value) == text


def test_keywords_and_two_inputs_are_shown() -> None:
    net = Calling(lambda _, x, y, scale: x + y * scale)
    t = broken_convnets.trace(net, IMAGES, y=IMAGES, scale=2.0)
    assert t.rows[0].inputs == "float32[2, 3, 8, 8]"
    assert t.rows[0].kwargs == "y=float32[2, 3, 8, 8], scale=2.0"
    assert "y=float32[2, 3, 8, 8], scale=2.0 ->" in str(t)


def test_nested_containers_and_shared_layers_have_the_path_of_their_caller() -> None:
    shared = nn.Linear(8, 8)
    parts = nn.ModuleDict({"a": nn.ModuleList([shared]), "b": nn.Sequential(shared)})
    net = Calling(lambda net, x: net.parts["b"](net.parts["a"][0](x)), parts=parts)
    t = broken_convnets.trace(net, IMAGES)
    assert paths(t) == ["", "parts.a.0", "parts.b", "parts.b.0"]
    assert [row.depth for row in t.rows] == [0, 1, 1, 2]


def test_a_layer_that_is_made_in_forward_has_no_path() -> None:
    t = broken_convnets.trace(Calling(lambda _, x: nn.Sequential(nn.ReLU())(x)), IMAGES)
    assert [(row.path, row.type) for row in t.rows] == [
        ("", "Calling"),
        ("", "Sequential"),
        ("", "ReLU"),
    ]


def test_a_call_that_raised_and_was_caught_is_over() -> None:
    def forward(net: Any, x: torch.Tensor) -> Any:
        try:
            net.wrong(x)
        except RuntimeError:
            return net.right(x)

    net = Calling(forward, wrong=nn.Sequential(nn.Linear(3, 3)), right=nn.ReLU())
    t = broken_convnets.trace(net, IMAGES)
    assert [(row.path, row.depth, row.output) for row in t.rows[1:]] == [
        ("wrong", 1, None),
        ("wrong.0", 2, None),
        ("right", 1, "float32[2, 3, 8, 8]"),
    ]
    assert t.error is None


def test_a_hook_that_raises_fails_the_layer_it_is_on() -> None:
    for register in ("register_forward_hook", "register_forward_pre_hook"):
        net = chain()
        getattr(net[3], register)(raising(Own("from a hook")))
        t = broken_convnets.trace(net, IMAGES)
        assert t.failed
        assert (t.failed.path, type(t.error)) == ("3", Own)


@pytest.mark.parametrize("error", [Own("mine"), RuntimeError(), ValueError(), RecursionError()])
def test_any_error_of_a_forward_is_kept(error: Exception) -> None:
    t = broken_convnets.trace(nn.Sequential(Calling(raising(error))), IMAGES)
    assert t.error is error
    assert t.failed
    assert t.failed.path == "0"


def test_an_error_whose_text_raises_is_kept() -> None:
    class Sick(Exception):  # noqa: N818  (someone's)
        def __str__(self) -> str:
            raise Own

    t = broken_convnets.trace(Calling(raising(Sick())), IMAGES)
    assert t.failure
    assert t.failure.message == "(no message: its __str__ raises Own)"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, Own, None])
def test_nothing_is_left_behind(error: type[BaseException] | None) -> None:
    before = replaced()
    net = Calling(raising(error()), fc=nn.ReLU()) if error else chain()
    state = {key: value for key, value in vars(net).items() if key.endswith("hooks")}
    try:
        with broken_convnets.trace(net):
            assert replaced() != before
            net(IMAGES)
    except BaseException as raised:  # noqa: BLE001  (of any kind)
        assert error is not None
        assert isinstance(raised, error)  # noqa: PT017  (of any kind)
    assert replaced() == before
    assert state == {key: value for key, value in vars(net).items() if key.endswith("hooks")}


def test_a_call_that_is_interrupted_leaves_nothing_behind() -> None:
    before = replaced()
    with pytest.raises(KeyboardInterrupt):
        broken_convnets.trace(Calling(raising(KeyboardInterrupt())), IMAGES)
    assert replaced() == before


def interrupted_at(line: int) -> tuple[Tracing, bool]:
    """Trace two passes; Ctrl-C comes at a line that the tracing runs for the second one."""
    net, lines = nn.Sequential(nn.ReLU()), itertools.count()

    def follow(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in RECORDER:
            return None
        if event == "line" and next(lines) == line:
            raise KeyboardInterrupt
        return follow

    before, tracing = sys.gettrace(), broken_convnets.trace(net)
    try:
        with tracing:
            net(IMAGES)
            sys.settrace(follow)
            net(IMAGES[:1])
            sys.settrace(before)
    except KeyboardInterrupt:
        return tracing, True
    finally:
        sys.settrace(before)
        # A line event comes where Ctrl-C cannot: before a `with` block is left.
        torch._C._set_torch_function_state(torch._C._TorchFunctionState.ENABLED)  # noqa: SLF001  (no public equivalent)
    return tracing, False


@pytest.mark.slow
def test_wherever_an_interrupt_comes_the_table_is_kept() -> None:
    before = replaced()
    for line in itertools.count():
        tracing, interrupted = interrupted_at(line)
        assert [row.type for row in tracing.rows][:1] == ["Sequential"], line
        assert tracing.networks[0].shown in {1, 2}
        assert replaced() == before
        if not interrupted:
            break
    assert line > 50  # so many lines were tried


def test_outputs_gradients_and_generators_are_bit_identical() -> None:
    def run(*, traced: bool) -> list[torch.Tensor]:
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002  (the global generator is what is tested)
        random.seed(1)
        net = chain()
        x = torch.randn(2, 3, 8, 8, requires_grad=True)
        output = broken_convnets.trace(net, x).output if traced else net(x)
        output.sum().backward()
        drawn = torch.tensor([np.random.rand(), random.random()])  # noqa: NPY002, S311  (the global generators are what is tested)
        buffers = [buffer.clone() for buffer in net.buffers()]
        return [output, x.grad, torch.get_rng_state(), drawn, *buffers]

    for ours, plain in zip(run(traced=True), run(traced=False), strict=True):
        assert torch.equal(ours, plain)
        assert ours.dtype == plain.dtype


def test_a_sick_tracer_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that draws a random number, and one that forgets a hook, fail the tests above."""
    monkeypatch.setattr(
        "broken_convnets.observe.recorder.module_calls.describe",
        lambda *_, **__: str(torch.rand(1)),
    )
    with pytest.raises(AssertionError):
        test_outputs_gradients_and_generators_are_bit_identical()
    monkeypatch.undo()
    monkeypatch.setattr(Recorder, "_end", lambda _: None)
    left: list[Recorder] = []

    def enter(recorder: Recorder) -> None:
        left.append(recorder)
        recorder._begin()  # noqa: SLF001  (as `__enter__` does)

    monkeypatch.setattr(Recorder, "__enter__", enter)
    with pytest.raises(AssertionError):
        test_nothing_is_left_behind(Own)
    monkeypatch.undo()
    for forgotten in left:
        forgotten.abandon()


def test_operators_of_the_tracer_are_not_seen_by_the_modes_of_a_program() -> None:
    class Counting(TorchDispatchMode):  # type: ignore[misc]  # torch is not there for mypy
        count = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            Counting.count += 1
            return func(*args, **(kwargs or {}))

    counts = []
    for run in (lambda net: net(IMAGES), lambda net: broken_convnets.trace(net, IMAGES)):
        net, Counting.count = chain(), 0
        with Counting():
            run(net)
        counts.append(Counting.count)
    assert counts[0] == counts[1] > 0


def test_nothing_lives_longer_because_it_is_traced() -> None:
    with broken_convnets.trace() as t:
        net: nn.Module | None = chain()
        assert net is not None
        gone = weakref.ref(net)
        net(IMAGES)
        net = None
        gc.collect()
        assert gone() is None
    assert paths(t) == ["", "0", "1", "2", "3", "4", "5"]


def test_a_context_lets_the_exception_through_and_has_the_table() -> None:
    net = chain()
    with pytest.raises(Own), broken_convnets.trace(net) as t:  # noqa: PT012  (what runs before, too)
        net(IMAGES)
        raise Own
    assert isinstance(t.error, Own)
    assert t.failed is None
    assert len(t.rows) == 7
    assert "Own outside of any layer" in str(t)


def test_a_context_with_a_network_follows_that_one_alone() -> None:
    net, other = chain(), nn.ReLU()
    with broken_convnets.trace(net) as t:
        other(IMAGES)
        nn.Sequential(net)(IMAGES)
    assert [network.type for network in t.networks] == ["Sequential"]
    assert t.rows[1].path == "0"
    with broken_convnets.trace(net) as t:
        net[1](net[0](IMAGES))
        other(IMAGES)
    assert paths(t) == ["1"]


def test_several_networks_have_a_table_each_the_one_that_failed_is_the_rows() -> None:
    maker, judge = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(4, 1))
    with pytest.raises(RuntimeError, match="cannot be multiplied"), broken_convnets.trace() as t:  # noqa: PT012  (what runs before, too)
        for _ in range(3):
            judge(torch.ones(1, 4))
            judge(maker(torch.ones(1, 2)))
    assert [(network.passes, network.complete) for network in t.networks] == [(1, True), (2, False)]
    assert t.failed
    assert t.failed.inputs == "float32[1, 3]"
    assert [row.failed for row in t.networks[0].layers] == [False, False]


def test_a_pass_in_a_thread_is_a_pass_of_its_own() -> None:
    def run() -> None:
        nn.Sequential(nn.Flatten())(IMAGES)

    def forward(_: object, x: torch.Tensor) -> torch.Tensor:
        thread = threading.Thread(target=run, name="worker 7")
        thread.start()
        thread.join()
        return x

    with broken_convnets.trace() as t:
        Calling(forward)(IMAGES)
    assert [(network.type, network.thread) for network in t.networks] == [
        ("Calling", ""),
        ("Sequential", "worker 7"),
    ]


def test_many_calls_are_bounded_and_the_failing_one_is_kept() -> None:
    def forward(net: Any, x: torch.Tensor) -> Any:
        for _ in range(12_000):
            x = net.cell(x)
        return net.last(x)

    t = broken_convnets.trace(Calling(forward, cell=nn.Identity(), last=nn.Linear(1, 1)), IMAGES)
    assert len(t.rows) == 10_000
    assert t.networks[0].omitted == 12_002 - 10_000
    assert t.failed
    assert t.failed.path == "last"
    assert len(str(t).splitlines()) < 20
    assert "2002 calls were not kept" in str(t)


def test_a_long_table_is_folded_and_what_failed_is_not() -> None:
    blocks = [
        nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Sequential(nn.Tanh())) for _ in range(20)
    ]
    blocks[13][2] = nn.Sequential(nn.Linear(9, 9))
    t = broken_convnets.trace(nn.Sequential(*blocks), IMAGES)
    shown = [text for text, _ in t.lines()]
    assert len(shown) < 30
    assert any("13.2.0 Linear" in line and "failed here" in line for line in shown)
    assert any("0 Sequential" in line and "(13 alike, to 12 Sequential)" in line for line in shown)
    assert sum("Tanh" in text for text, _ in t.lines(everything=True)) == 13
    assert sum("Sequential" in text for text, _ in t.lines(depth=1)) == 17  # with the heading


def test_equal_blocks_in_a_row_take_the_lines_of_one() -> None:
    class Block(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(8, 8), nn.ReLU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.body(x)

    t = broken_convnets.trace(nn.Sequential(nn.Tanh(), *(Block() for _ in range(40))), IMAGES)
    shown = [text for text, _ in t.lines()]
    assert len(shown) == 7
    assert any("1 Block" in line and "(40 alike, to 40 Block)" in line for line in shown)
    assert len(t.lines(everything=True)) == 1 + 2 + 4 * 40


def test_a_layer_in_a_plain_list_has_its_attribute_and_is_marked() -> None:
    net = Calling(lambda net, x: net.kept[1](net.kept[0](x)))
    net.kept = [nn.Linear(8, 8), nn.Linear(8, 8)]
    t = broken_convnets.trace(net, IMAGES)
    assert [(row.path, row.attribute) for row in t.rows[1:]] == [("", "kept[0]"), ("", "kept[1]")]
    assert "kept[1] Linear" in str(t)
    assert str(t).count("(not registered)") == 2


def test_losses_metrics_and_transforms_are_no_networks_beside_one() -> None:
    net, flip = nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), nn.Identity()
    losses = [nn.L1Loss(), nn.MSELoss(), nn.HuberLoss(), nn.SmoothL1Loss()] * 3
    with broken_convnets.trace() as t:
        scores = net(flip(IMAGES))
        for loss in losses:
            loss(scores, scores)
    assert [network.type for network in t.networks] == ["Sequential"]
    assert t.rows[-1].path == "1"
    with pytest.raises(ValueError, match="batch_size"), broken_convnets.trace() as t:
        nn.CrossEntropyLoss()(net(IMAGES), torch.tensor([1]))
    assert [network.type for network in t.networks] == ["Sequential", "CrossEntropyLoss"]
    assert t.failed
    assert t.failed.type == "CrossEntropyLoss"
    with broken_convnets.trace() as t:
        nn.MSELoss()(IMAGES, IMAGES)
    assert [network.type for network in t.networks] == ["MSELoss"]  # all there is


def test_a_part_of_a_module_that_is_never_called_keeps_its_name() -> None:
    class Lit(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
        """Trains its part as a module of Lightning does."""

        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleDict({"backbone": nn.Linear(8, 2)})

        def training_step(self, x: torch.Tensor) -> torch.Tensor:
            return self.parts["backbone"](x)

    with broken_convnets.trace() as t:
        Lit().training_step(IMAGES)
        chain()(IMAGES)
    assert [network.owner for network in t.networks] == ["Lit.parts.backbone", ""]
    assert "Lit.parts.backbone Linear, forward pass 1 of 1" in str(t)


def test_the_first_non_finite_value_of_a_training_run_is_named() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with broken_convnets.trace() as t:
        for _ in range(3):
            out = net(IMAGES)
            loss = torch.log(out - out).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    first = t.first_non_finite
    assert first
    assert (first.expression, first.operator) == ("torch.log(out - out)", "log")
    assert (first.file, first.forward_pass, first.training_step) == (__file__, 1, 1)
    assert not first.inside
    assert t.networks[0].shown == 2  # the first pass with a non-finite value, not the last one
    assert "Sequential, forward pass 2 of 3, the first with a non-finite value" in str(t)
    assert "after forward pass 1 of Sequential, in training step 1" in str(t)


def test_a_non_finite_value_inside_of_a_pass_or_of_the_data_is_named() -> None:
    net = nn.Sequential(nn.ReLU(), Calling(lambda _, x: x / 0), nn.Flatten())
    first = broken_convnets.trace(net, IMAGES).first_non_finite
    assert first
    assert (first.expression, first.layer, first.inside) == ("x / 0", "Calling", True)
    assert (first.training_step, first.entered) == (None, "")
    first = broken_convnets.trace(chain(), IMAGES / 0).first_non_finite
    assert first
    assert first.entered == "input float32[2, 3, 8, 8]"
    assert broken_convnets.trace(chain(), IMAGES).first_non_finite is None


def test_the_users_line_is_named_and_then_that_of_the_library() -> None:
    model = torchvision.models.resnet18(weights=None)
    model.fc = nn.Linear(2048, 10)
    with pytest.raises(RuntimeError, match="multiplied"), broken_convnets.trace() as t:
        model(torch.zeros(1, 3, 64, 64))
    failure = t.failure
    assert failure
    assert (failure.file, failure.expression) == (__file__, "model(torch.zeros(1, 3, 64, 64))")
    assert failure.library_file.endswith("torchvision/models/resnet.py")
    assert failure.library_expression == "self.fc(x)"
    assert f"(torchvision/models/resnet.py:{failure.library_line})" in str(t)
    t = broken_convnets.trace(model, torch.zeros(1, 3, 64, 64))
    assert t.failure
    assert t.failure.expression == "self.fc(x)"  # no code of the user's was running
    assert t.failure.library_file == ""


def test_text_from_a_network_cannot_move_the_cursor() -> None:
    name = "\x1b[2Jgone\n"
    kind = type(name, (nn.Identity,), {})
    t = broken_convnets.trace(
        nn.Sequential(kind(), Calling(lambda *_: {name: 1, "x" * 500: 2})), IMAGES
    )
    assert "\x1b" not in str(t)
    assert max(len(line) for line in str(t).splitlines()) < 500


def test_the_traceback_has_no_frame_of_ours() -> None:
    net = nn.Sequential(Calling(lambda _, x: nn.functional.cross_entropy(x, x[0])))
    with pytest.raises(ValueError, match="batch_size") as plain:
        net(IMAGES)
    t = broken_convnets.trace(net, IMAGES)
    assert t.failure
    assert str(plain.value) == t.failure.message
    text = t.failure.traceback
    assert "/harness/" not in text
    assert "handle_torch_function" not in text
    assert "in inner" not in text
    assert text.count("in cross_entropy") == 1
    assert text.splitlines()[-1] == f"{t.failure.type}: {t.failure.message}"


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_note_says_that_layers_inside_compiled_and_scripted_networks_are_not_shown() -> None:
    scripted = torch.jit.trace(chain().eval(), IMAGES)
    t = broken_convnets.trace(scripted, IMAGES)
    assert t.error is None
    assert "a module ran as TorchScript: layers inside it are not shown" in t.notes
    compiled = torch.compile(chain().eval(), backend="eager", fullgraph=True)
    t = broken_convnets.trace(compiled, IMAGES)
    assert t.error is None, t
    assert any("torch.compile" in note for note in t.notes)
    own = chain().eval()
    own.compile(backend="eager")
    t = broken_convnets.trace(own, IMAGES)
    assert t.error is None
    assert any("torch.compile" in note for note in t.notes)
    assert not broken_convnets.trace(chain(), IMAGES).notes


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_what_is_traced_or_transformed_by_torch_is_not_disturbed() -> None:
    net = chain().eval()
    wanted = net(IMAGES)
    with broken_convnets.trace(net):
        assert torch.equal(torch.jit.trace(net, IMAGES)(IMAGES), wanted)
        assert torch.allclose(torch.vmap(net)(IMAGES[:, None])[:, 0], wanted)
        exported = torch.export.export(net, (IMAGES,)).module()
    assert torch.allclose(exported(IMAGES), wanted)


@pytest.mark.parametrize("mistake", [(IMAGES,), (None, IMAGES), (nn.ReLU, IMAGES)])
def test_an_argument_that_is_not_a_network_is_rejected(mistake: tuple[Any, ...]) -> None:
    for function in (broken_convnets.trace, broken_convnets.check):
        with pytest.raises(TypeError, match="the first argument must be a network"):
            function(*mistake)


def test_the_package_has_its_functions_and_no_others() -> None:
    assert callable(broken_convnets.trace)
    assert callable(broken_convnets.check)
    with pytest.raises(AttributeError, match="no attribute 'guess'"):
        _ = broken_convnets.guess
