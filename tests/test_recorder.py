"""The recorder in `observe/`: what is in a record, and that recording changes nothing."""

from __future__ import annotations

import copy
import gc
import random
import textwrap
import traceback
import warnings
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from broken_convnets.observe.recorder import Options, Record, Recorder
from broken_convnets.observe.recorder.bounded import Bounded
from broken_convnets.observe.recorder.callers import Callers
from broken_convnets.observe.recorder.places import is_user_file
from forks import Call, call
from torch import nn
from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forks import Ended

HERE = Path(__file__)
TORCH = str(Path(torch.__file__).parent)
EVERYTHING = Options.everything()


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    )


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(4, 1, 4, 4), torch.tensor([0, 1, 2, 0])


def train(model: nn.Module, steps: int = 2, *, zero: bool = True) -> torch.Tensor:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = batch()
    for _ in range(steps):
        if zero:
            optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return loss


def record(run: Callable[[], object], options: Options = EVERYTHING) -> Record:
    with Recorder(options) as recorder:
        run()
    assert recorder.record.problems == []
    return recorder.record


def line_of(text: str) -> int:
    lines = HERE.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_an_operator_has_the_users_line_down_to_the_column() -> None:
    found = record(lambda: train(net()))
    loss = next(one for one in found.operators if one.name == "cross_entropy")
    assert loss.place
    assert (Path(loss.place.file).name, loss.place.function) == (HERE.name, "train")
    assert loss.place.text == "nn.functional.cross_entropy(model(x), y)"
    conv = next(one for one in found.operators if one.name == "conv2d")
    assert conv.place
    assert (conv.place.text, conv.layer) == ("model(x)", "Conv2d")
    assert conv.places[1].line == line_of("    found = record(lambda: train(net()))")


def test_operators_form_a_graph_of_values() -> None:
    def run() -> None:
        x = torch.ones(3)
        y = x * 2
        y.add_(1)
        y.sum()

    found = record(run)
    ones, mul, add, total = found.operators
    assert found.producer(mul.inputs[0]) is ones
    assert found.consumers(mul.outputs[0]) == [add]
    assert add.changed == add.outputs == total.inputs
    assert found.producer(total.inputs[0]) is add
    assert (mul.literals, add.literals) == ({1: 2}, {1: 1})
    assert total.outputs[0].scalar == 9.0


def test_the_first_non_finite_value_has_its_operator_and_its_moment() -> None:
    def run() -> None:
        model = net()
        train(model)
        torch.log(model(batch()[0]) * 0)
        model(batch()[0] / 0)

    first = record(run).first_non_finite
    assert first
    assert first.operator.place
    assert first.operator.place.text == "torch.log(model(batch()[0]) * 0)"
    assert (first.network, first.forward_pass, first.inside) == ("Sequential", 3, False)
    assert first.operator.moment.optimizer_steps == 2
    assert first.entered is None


def test_a_parameter_that_is_not_finite_is_named_as_what_entered() -> None:
    model = net()
    with torch.no_grad():
        model[0].weight[0] = torch.nan
    first = record(lambda: model(batch()[0])).first_non_finite
    assert first
    assert first.entered
    assert (first.operator.name, first.entered.parameter, first.inside) == ("conv2d", True, True)


@pytest.mark.parametrize(
    "run",
    [
        lambda: torch.ones(3).masked_fill(torch.ones(3) > 0, -torch.inf) + 1,
        lambda: torch.full((3, 3), -torch.inf).triu(1).softmax(1),
        lambda: torch.tensor(float("inf")),
        lambda: torch.empty(1000) * 0,
    ],
)
def test_an_infinity_that_the_program_asks_for_is_not_the_first_one(
    run: Callable[[], object],
) -> None:
    assert record(run).first_non_finite is None or run().isnan().any()  # type: ignore[attr-defined]  # a tensor


def test_a_gradient_names_the_backward_passes_that_it_holds() -> None:
    stale = record(lambda: train(net(), zero=False))
    first, second = stale.optimizer_steps
    assert stale.stale(first) == []
    assert {one.name for one in stale.stale(second)} == dict(net().named_parameters()).keys()
    assert set(second.holds.values()) == {(0, 1)}
    fresh = record(lambda: train(net()))
    assert [fresh.stale(step) for step in fresh.optimizer_steps] == [[], []]


def test_accumulated_gradients_and_a_closure_are_not_stale() -> None:
    def accumulate() -> None:
        model, (x, y) = net(), batch()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for number in range(4):
            nn.functional.cross_entropy(model(x), y).backward()
            if number % 2:
                optimizer.step()
                optimizer.zero_grad(set_to_none=False)

    def closure() -> None:
        model, (x, y) = net(), batch()
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            value = nn.functional.cross_entropy(model(x), y)
            value.backward()
            return value

        for _ in range(2):
            optimizer.step(loss)

    for run in (accumulate, closure):
        found = record(run)
        assert [found.stale(step) for step in found.optimizer_steps] == [[], []], run
    assert [step.holds[0] for step in record(accumulate).optimizer_steps] == [(0, 1), (2, 3)]


def test_gradients_of_another_network_are_left_over_and_not_stale() -> None:
    """As in a GAN: the generator's backward pass reaches the discriminator too."""

    def run() -> None:
        maker, judge = nn.Linear(2, 2), nn.Linear(2, 1)
        steps = [torch.optim.SGD(one.parameters(), lr=0.1) for one in (judge, maker)]
        for _ in range(2):
            steps[0].zero_grad()
            judge(maker(torch.ones(1, 2)).detach()).sum().backward()
            steps[0].step()
            steps[1].zero_grad()
            judge(maker(torch.ones(1, 2))).sum().backward()
            steps[1].step()

    found = record(run)
    assert not any(found.stale(step) for step in found.optimizer_steps)
    assert any(found.left_over(step) for step in found.optimizer_steps)


def test_a_backward_pass_has_its_roots_and_what_it_reached() -> None:
    def run() -> None:
        model, (x, y) = net(), batch()
        nn.functional.cross_entropy(model(x), y).backward()
        (torch.ones(1, requires_grad=True) * 2).backward()
        torch.autograd.grad(model(x).sum(), [model[0].weight])
        torch.autograd.grad(model(x).sum(), model.parameters())
        torch.autograd.grad(model(x).sum(), inputs=model.parameters())

    found = record(run)
    own, other, asked, *all_asked = found.backward_passes
    producer = found.producer(own.roots[0])
    assert producer
    assert producer.name == "cross_entropy"
    assert len(own.received) == 6
    assert other.received == ()
    assert (asked.kind, len(asked.received)) == ("grad", 1)
    assert [len(one.received) for one in all_asked] == [6, 6]


def test_a_step_names_what_it_changed_and_what_has_no_gradient() -> None:
    def run() -> None:
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        model[0](torch.ones(1, 2)).sum().backward()
        optimizer.step()

    found = record(run)
    (step,) = found.optimizer_steps
    assert step.finished
    assert (step.type, step.learning_rates) == ("SGD", (0.5,))
    assert (step.changed, step.without_gradient) == ((0, 1), (2, 3))


def test_a_construction_has_its_line_and_arguments() -> None:
    kept: list[object] = []

    def block(width: int) -> nn.Module:
        return nn.Conv2d(1, width, kernel_size=3, bias=False)

    def run() -> None:
        layer = block(8)
        kept.extend([layer, torch.optim.Adam(layer.parameters(), lr=0.25)])
        kept.append(DataLoader([1, 2, 3], batch_size=2))

    found = record(run)
    conv, adam, loader = (found.construction(one) for one in kept)
    assert conv
    assert adam
    assert loader
    assert conv.places[0].text == "nn.Conv2d(1, width, kernel_size=3, bias=False)"
    assert (conv.arguments["out_channels"], conv.arguments["bias"]) == (8, False)
    assert (adam.kind, adam.arguments["lr"]) == ("optimizer", 0.25)
    assert (loader.kind, loader.arguments["batch_size"]) == ("loader", 2)


def test_modes_loaders_and_warnings_are_recorded() -> None:
    def run() -> None:
        model = net()
        model.eval()
        model.train()
        for _ in range(2):
            list(DataLoader([1, 2, 3], batch_size=2))
        nn.functional.mse_loss(torch.ones(3, 1), torch.ones(3))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda *_, **__: None
        found = record(run)
    assert [change.training for change in found.mode_changes] == [False, True]
    assert [epoch.batches for one in found.loaders for epoch in one.epochs] == [2, 2]
    (warned,) = found.warnings
    assert warned.line == warned.places[0].line == line_of("        nn.functional.mse_loss(torch.o")


def test_every_called_module_is_known() -> None:
    found = record(lambda: net()(batch()[0]))
    facts = {one.type: (one.has_parameters, one.depends_on_mode) for one in found.called}
    assert facts["Conv2d"] == (True, False)
    assert facts["BatchNorm2d"] == (True, True)
    assert facts["Flatten"] == (False, False)


def test_a_lazy_layer_runs_and_its_parameters_are_followed_once_they_have_a_shape() -> None:
    with Recorder(Options.everything()) as recorder:
        network = nn.Sequential(nn.LazyLinear(3))
        network(torch.zeros(1, 2))
        network(torch.zeros(1, 2)).sum().backward()
    assert [one.shape for one in recorder.record.parameters] == [(3, 2), (3,)]


def test_a_long_record_keeps_its_beginning_and_its_end() -> None:
    options = Options(operators=True, operator_limit=10)
    found = record(lambda: [torch.ones(1) * number for number in range(100)], options)
    assert [one.number for one in found.operators] == [0, 1, 2, 3, 4, 195, 196, 197, 198, 199]
    assert found.operators.omitted == 190
    assert found.operators.find(4) is not None
    assert found.operators.find(5) is None
    assert found.operators.find(199) is found.operators.latest
    assert Bounded[int](4).latest is None


def test_a_record_that_begins_again_keeps_the_beginning_and_the_end_of_both_parts() -> None:
    kept = Bounded[int](4)
    for number in range(20):
        if number == 10:
            kept.begin_again()
        kept.append(number)
    assert list(kept) == [0, 1, 8, 9, 10, 11, 18, 19]
    assert [kept.find(number) for number in (1, 5, 9, 10, 15, 19)] == [1, None, 9, 10, None, 19]
    assert kept.gaps == [(2, 8), (12, 18)]
    assert (kept.count, len(kept), kept.omitted, kept.omitted_after) == (20, 8, 12, 2)
    assert kept.latest == 19


def test_operators_before_the_first_backward_pass_do_not_push_out_those_after_it() -> None:
    def train() -> None:
        for _ in range(100):
            torch.ones(1)
        net = nn.Linear(1, 1)
        for _ in range(3):
            nn.functional.l1_loss(net(torch.ones(1, 1)), torch.ones(1, 1)).backward()

    found = record(train, Options(operators=True, gradients=True, operator_limit=20))
    assert [one.name for one in found.operators].count("l1_loss") == 3
    assert found.operators.omitted > 0


class Transformed:
    """Samples that a module without parameters transforms."""

    def __init__(self) -> None:
        self.transform = nn.Sequential(nn.Identity(), nn.ReLU())

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> torch.Tensor:
        sample: torch.Tensor = self.transform(torch.full((1, 4, 4), float(index)))
        return sample


def test_transforms_of_samples_push_no_pass_of_a_network_out() -> None:
    def run() -> None:
        model, data = net(), Transformed()
        for images in DataLoader(data, batch_size=20):
            model(images)
        nn.Softmax(1)(model(data[3][None]))

    found = record(run, replace(EVERYTHING, event_limit=10))
    types = [type(one.network()).__name__ for one in found.passes]
    assert found.passes.omitted == 0
    assert len(types) == 4
    assert (found.sample_passes.count, len(found.sample_passes)) == (41, 10)
    assert len(list(found.all_passes())) == 14
    assert not found.reads_sample


def test_a_record_keeps_no_tensor_module_or_optimizer_alive() -> None:
    made: list[weakref.ref[Any]] = []

    def run() -> None:
        model, x = net(), torch.randn(4, 1, 4, 4)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        y = model(x)
        y.sum().backward()
        optimizer.step()
        made.extend(map(weakref.ref, (model, x, y, optimizer, model[0].weight)))

    found = record(run, replace(EVERYTHING, kept_networks=False))
    gc.collect()
    assert [one() for one in made] == [None] * 5
    assert len(found.operators) > 5


def test_one_network_of_each_kind_is_kept_alive_if_the_options_say_so() -> None:
    def run() -> None:
        for _ in range(3):
            train(net())
        nn.Linear(2, 2)(torch.ones(1, 2))

    kept = record(run).kept_networks
    assert [type(one).__name__ for one in kept] == ["Sequential", "Linear"]


def test_a_part_that_is_switched_off_records_nothing() -> None:
    found = record(lambda: train(net()), Options(calls=True))
    assert found.passes.count == 2
    events = (found.operators, found.backward_passes, found.optimizer_steps, found.constructions)
    assert [len(one) for one in events] == [0, 0, 0, 0]


def test_results_and_random_numbers_are_the_same_to_the_bit() -> None:
    def run() -> list[torch.Tensor]:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002  (the global generator is what is tested)
        model = nn.Sequential(net(), nn.Dropout())
        loss = train(model, steps=3)
        drawn = torch.tensor([np.random.rand(), random.random()])  # noqa: NPY002, S311  (the global generators are what is tested)
        return [loss.detach(), drawn, torch.get_rng_state(), *model.state_dict().values()]

    plain = run()
    recorded: list[torch.Tensor] = []
    record(lambda: recorded.extend(run()))
    assert all(map(torch.equal, plain, recorded))


@pytest.fixture
def _warn_always() -> Iterator[None]:
    former = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(former)


def warned_at(run: Callable[[], object]) -> list[tuple[str, int, str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [(one.filename, one.lineno, str(one.message)) for one in caught]


class Warns(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
    """Warns at several depths of the stack, as libraries do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for level in range(1, 7):
            warnings.warn(f"level {level}", stacklevel=level)
        return x


@pytest.mark.parametrize(
    "run",
    [
        lambda: nn.functional.mse_loss(torch.ones(3, 1), torch.ones(3)),
        lambda: nn.MSELoss()(torch.ones(3, 1), torch.ones(3)),
        lambda: nn.functional.softmax(torch.ones(2, 2)),
        lambda: nn.Softmax()(torch.ones(2, 2)),
        lambda: nn.Sequential(nn.LogSoftmax())(torch.ones(2, 2)),
        lambda: torch.ones(2, 2, 2).T,
        lambda: (torch.ones(1, requires_grad=True) * 2).grad,
        lambda: torch.ones(2, 2).to_sparse_csr(),
        lambda: nn.Sequential(Warns())(torch.ones(1)),
        lambda: nn.functional.interpolate(torch.ones(1, 1, 2, 2), scale_factor=1.5, mode="nearest"),
    ],
)
@pytest.mark.usefixtures("_warn_always")
def test_a_warning_is_placed_where_it_is_without_a_recorder(run: Callable[[], object]) -> None:
    recorded: list[tuple[str, int, str]] = []
    record(lambda: recorded.extend(warned_at(run)), Options.everything())
    assert recorded == warned_at(run)


def test_weights_computed_from_others_cause_no_warning() -> None:
    net = nn.Linear(3, 2)
    weights = {name: parameter * 2 for name, parameter in net.named_parameters()}
    with warnings.catch_warnings(), Recorder(Options.everything()):
        warnings.simplefilter("error")
        loss = torch.func.functional_call(net, weights, (torch.ones(2, 3),)).sum()
        loss.backward()
    assert net.weight.grad is not None


def test_filters_by_line_and_module_work_as_without_a_recorder() -> None:
    def run() -> list[str]:
        with warnings.catch_warnings():
            warnings.resetwarnings()
            warnings.filterwarnings("error", module=r"torch\.nn\.modules\.loss")
            before = list(warnings.filters)
            try:
                nn.MSELoss()(torch.ones(3, 1), torch.ones(3))
            except UserWarning as error:
                return [str(error), *map(str, before)]
            return []

    recorded: list[str] = []
    record(lambda: recorded.extend(run()))
    assert recorded == run() != []


def test_two_warnings_on_two_lines_are_two_under_the_default_filter() -> None:
    def run() -> int:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            nn.functional.mse_loss(torch.ones(3, 1), torch.ones(3))
            nn.functional.mse_loss(torch.ones(3, 1), torch.ones(3))
            return len(caught)

    counts: list[int] = []
    record(lambda: counts.append(run()))
    assert counts == [2]


class Fails(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(x, x[0])


def printed(run: Callable[[], object]) -> str:
    try:
        run()
    except Exception:  # noqa: BLE001  (of any kind)
        return traceback.format_exc()
    return ""


@pytest.mark.parametrize(
    "run",
    [
        lambda: nn.Sequential(Fails())(torch.ones(2, 2)),
        lambda: nn.Linear(2, 3)(torch.ones(1, 3)),
        lambda: torch.ones(2) @ torch.ones(3),
        lambda: torch.ones(1).sum().backward(),
    ],
)
def test_a_traceback_that_a_program_prints_is_the_plain_one(run: Callable[[], object]) -> None:
    recorded: list[str] = []
    record(lambda: recorded.append(printed(run)))
    text = recorded[0]
    assert "broken_convnets" not in text
    assert text.splitlines()[-1] == printed(run).splitlines()[-1]
    plain = [line for line in printed(run).splitlines() if line.startswith("  File")]
    added = [line for line in text.splitlines() if line.startswith("  File") and line not in plain]
    assert len(added) in {0, 2}, text  # a torch function that asks the mode, and the asking
    assert all(TORCH in line for line in added), text


def test_an_exception_that_leaves_the_recorder_has_the_plain_traceback() -> None:
    def places(error: BaseException) -> list[tuple[str, str]]:
        return [(one.filename, one.name) for one in traceback.extract_tb(error.__traceback__)][1:]

    def run() -> None:
        nn.functional.cross_entropy(torch.ones(2, 2), torch.ones(3))

    with pytest.raises(ValueError, match="batch_size") as plain:
        run()
    with pytest.raises(ValueError, match="batch_size") as traced, Recorder(EVERYTHING):
        run()
    assert places(traced.value) == places(plain.value)


JIT = """
import sys, warnings, torch
from torch import nn
from broken_convnets.observe.recorder import Options, Recorder
warnings.simplefilter("ignore")
net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Softmax(1)).eval()
x = torch.ones(1, 1, 4, 4)
if RECORDED:
    recorder = Recorder(Options.everything()).__enter__()
    net(x)
    print(recorder.record.operators.count, file=sys.stderr)
print(torch.jit.trace(net, x).inlined_graph)
"""


def test_a_graph_of_jit_trace_is_the_same_with_its_names_and_source_lines(tmp_path: Path) -> None:
    plain, recorded = _plain_and_recorded(tmp_path, JIT)
    assert "conv.py" in plain.out
    assert recorded.out == plain.out
    assert int(recorded.err) > 3


def _plain_and_recorded(folder: Path, text: str, **values: Any) -> list[Ended]:
    """Run a program twice as `__main__`, with RECORDED and other global values."""
    (folder / "program.py").write_text(text, encoding="utf-8")
    return call(
        *(
            Call(
                "runpy:run_path",
                folder,
                ["program.py", {"RECORDED": recorded, **values}, "__main__"],
            )
            for recorded in (False, True)
        )
    )


def test_the_recorder_stands_aside_where_torch_reads_the_code() -> None:
    model, x = net().eval(), batch()[0]
    wanted = model(x)

    def run() -> None:
        exported = torch.export.export(model, (x,)).module()
        assert torch.allclose(exported(x), wanted)
        assert torch.allclose(torch.fx.symbolic_trace(model)(x), wanted)
        assert torch.allclose(torch.vmap(model)(x[:, None])[:, 0], wanted)
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        assert torch.allclose(compiled(x), wanted)
        assert torch.allclose(compiled(x), wanted)

    record(run)


def test_torch_compile_compiles_no_more_often_while_it_is_recorded() -> None:
    from torch._dynamo.utils import counters  # noqa: PLC0415  (takes a second)

    def compiled() -> int:
        torch._dynamo.reset()  # noqa: SLF001  (no public equivalent)
        counters.clear()
        step = torch.compile(net().eval(), backend="eager")
        for _ in range(4):
            step(batch()[0])
        return int(counters["frames"]["total"])

    counts: list[int] = []
    record(lambda: counts.append(compiled()))
    assert counts == [compiled()]


class Data(torch.utils.data.Dataset):  # type: ignore[misc]  # torch is not there for mypy
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> torch.Tensor:
        return nn.Linear(2, 2)(torch.ones(3)) if index else torch.ones(2)


def test_a_worker_process_records_nothing_and_reports_as_without_a_recorder() -> None:
    def run() -> None:
        list(DataLoader(Data(), num_workers=1))

    texts: list[str] = []
    record(lambda: texts.append(printed(run)))
    worker = texts[0].partition("Original Traceback")[2]
    assert "mat1 and mat2" in worker
    assert worker == printed(run).partition("Original Traceback")[2]


def test_recorders_may_end_in_any_order() -> None:
    first, second = Recorder(EVERYTHING), Recorder(EVERYTHING)
    plain = nn.Module.__call__
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    train(net())
    second.__exit__(None, None, None)
    assert second.record.passes.count == 2
    assert first.record.passes.count == 0
    train(net())
    assert second.record.passes.count == 2
    nn.Module.__call__ = plain


def test_the_files_of_libraries_and_of_python_are_not_the_users() -> None:
    assert is_user_file(__file__)
    assert is_user_file("<ipython-input-3-0123456789ab>")
    names = (torch.__file__, traceback.__file__, np.__file__, pytest.__file__, "<string>")
    assert [is_user_file(str(name)) for name in names] == [False] * len(names)


PROGRAM = """
import sys, warnings, torch
from torch import nn
if FILTER:
    warnings.filterwarnings("error", "", UserWarning, *FILTER)
if RECORDED:
    from broken_convnets.observe.recorder import Options, Recorder
    recorder = Recorder(Options.everything()).__enter__()
net = nn.Sequential(nn.Linear(2, 1))
x, y = torch.ones(3, 2), torch.ones(3)
nn.functional.mse_loss(net(x), y)
nn.functional.mse_loss(net(x), y)
nn.MSELoss()(net(x), y)
"""


def test_the_stderr_of_a_program_and_its_exit_code_are_the_same(tmp_path: Path) -> None:
    plain, recorded = _plain_and_recorded(tmp_path, PROGRAM, FILTER=[])
    assert plain.err.count("UserWarning") == 3
    assert (recorded.code, recorded.err) == (0, plain.err)
    for module, line in (("torch.nn.modules.loss", 0), ("__main__", 12)):
        plain, recorded = _plain_and_recorded(tmp_path, PROGRAM, FILTER=[module, line])
        assert plain.code == recorded.code == 1
        assert recorded.err.count("UserWarning") == plain.err.count("UserWarning") > 0


def test_a_copy_and_a_pickle_of_a_network_are_what_they_are_without_a_recorder() -> None:
    model = net()
    with Recorder(EVERYTHING):
        model(batch()[0])
        twin = copy.deepcopy(model)
    assert vars(twin).keys() == vars(net()).keys()
    assert not any(vars(one)["_forward_hooks"] for one in twin.modules())
    assert textwrap.dedent(str(twin)) == str(net())


def test_a_recorder_that_calls_functions_from_its_own_frame_would_be_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def call(func: Any, args: Any, kwargs: Any) -> Any:
        return func(*args, **kwargs)

    monkeypatch.setattr(Callers, "like", lambda *_: call)
    with pytest.raises(AssertionError):
        test_two_warnings_on_two_lines_are_two_under_the_default_filter()
    with pytest.raises(AssertionError):
        test_a_warning_is_placed_where_it_is_without_a_recorder(
            lambda: nn.functional.mse_loss(torch.ones(3, 1), torch.ones(3))
        )
