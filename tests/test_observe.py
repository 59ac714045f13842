"""What is said of a run: the failing text, the layer, the shapes, the values' descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.corpus.spec import Healthy
from broken_convnets.observe.facts import Observation, RunRequest
from broken_convnets.observe.runner import OBSERVE
from broken_convnets.sandbox.job import Job
from broken_convnets.verdicts.declared_laws import violated_laws
from broken_convnets.verdicts.layer_lines import layer_line
from broken_convnets.vocabulary import Law, Stage
from kit import (
    BROKEN,
    HEALTHY,
    OUTPUT,
    RAISES,
    TRAINED,
    Remembering,
    doing,
    importing,
    observations,
    patched,
)

if TYPE_CHECKING:
    from broken_convnets.sandbox.fork_client import ForkServer

BUILT = "super().__init__()"
NESTED = patched(
    (
        "self.conv = nn.Conv2d(2, 4, kernel_size=3)",
        "self.conv = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ModuleDict({'a': nn.Linear(3, 3)})['a'])",
    ),
)
CAUGHT = doing("try:", "    self.fc(x)", "except RuntimeError:", "    pass", "raise KeyError('x')")
TWICE = patched(
    (BUILT, f"{BUILT}\n        self.same = nn.Linear(4, 3)"),
    ("torch.relu(self.conv(x))", "self.same(self.same(x))"),
)
MANY = doing("for _ in range(300):", "    self.conv(x)")

PROGRAMS = {
    "broken": BROKEN,
    "healthy": HEALTHY,
    "over several lines": patched(
        (RAISES, "self.fc(\n            torch.flatten(\n                x, 2))"), source=BROKEN
    ),
    "non-ascii before it": patched((RAISES, f"'é', {RAISES}"), source=BROKEN),
    "in a helper": doing("def scale(x):", "    return x @ x.T[:1]", "return scale(x[0, 0])"),
    "in a function of torch": doing("return torch.cat([x, x[0]])"),
    "with a cause": doing(
        "try:", "    {}['a']", "except KeyError as e:", "    raise ValueError('no') from e"
    ),
    "nested": NESTED,
    "caught": CAUGHT,
    "twice": TWICE,
    "outside": patched(("loss.backward()", "labels.missing()"), source=TRAINED),
    "bad syntax": HEALTHY.replace("return self", "return return self"),
    "no Net": HEALTHY.replace("class Net", "class Model"),
    "a tuple": patched(
        (
            "return self.fc(torch.flatten(x, 1))",
            "return x.bool(), [x[0, 0, 0, 0]], {'a': (None, 'b')}, (x.int(),)",
        )
    ),
    "infinite": patched(("torch.flatten(x, 1))", "torch.flatten(x, 1)) / 0")),
    "sparse": doing("return nn.Identity()(torch.eye(2).to_sparse())"),
    "a layer on meta": doing("return nn.Identity()(torch.ones(2, device='meta'))"),
    "complex": doing("return nn.Identity()(torch.ones(2, dtype=torch.complex64))"),
    "warns": doing("warnings.warn(f'see {self.conv}')", needs="warnings"),
    "warns first": importing("warnings", "warnings.warn('early')"),
}


@pytest.fixture(scope="module")
def seen(runner: Remembering) -> dict[str, Observation]:
    # Exporting 300 calls would take most of the processor time that a program may use.
    return observations(runner, PROGRAMS) | observations(runner, {"many": MANY}, full=False)


@pytest.mark.parametrize(
    ("name", "stage", "kind", "expression", "layer"),
    [
        ("broken", Stage.FORWARD, "RuntimeError", RAISES, "fc"),
        (
            "over several lines",
            Stage.FORWARD,
            "RuntimeError",
            "self.fc( torch.flatten( x, 2))",
            "fc",
        ),
        ("non-ascii before it", Stage.FORWARD, "RuntimeError", RAISES, "fc"),
        ("in a helper", Stage.FORWARD, "RuntimeError", "x @ x.T[:1]", ""),
        ("in a function of torch", Stage.FORWARD, "RuntimeError", "torch.cat([x, x[0]])", ""),
        ("with a cause", Stage.FORWARD, "ValueError", "raise ValueError('no') from e", ""),
        ("nested", Stage.FORWARD, "RuntimeError", "self.conv(x)", "conv.1"),
        ("caught", Stage.FORWARD, "KeyError", "raise KeyError('x')", ""),
        ("outside", Stage.RUN, "AttributeError", "labels.missing", ""),
        ("bad syntax", Stage.IMPORT, "SyntaxError", "", ""),
        ("no Net", Stage.BUILD, "AttributeError", "", ""),
    ],
)
def test_an_exception_is_placed(  # noqa: PLR0913, PLR0917  (a row of the table each)
    name: str, stage: Stage, kind: str, expression: str, layer: str, seen: dict[str, Observation]
) -> None:
    raised = seen[name].raised
    assert raised
    assert (raised.stage, raised.type, raised.expression, raised.layer) == (
        stage,
        kind,
        expression,
        layer,
    )


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "healthy",
            [
                "Net: float32[4, 2, 4, 4] -> float32[4, 5]",
                "conv Conv2d: float32[4, 2, 4, 4] -> float32[4, 4, 2, 2]",
                "fc Linear: float32[4, 16] -> float32[4, 5]",
            ],
        ),
        (
            "broken",
            [
                "Net: float32[4, 2, 4, 4] -> …",
                "conv Conv2d: float32[4, 2, 4, 4] -> float32[4, 4, 2, 2]",
                "fc Linear: float32[4, 4, 4] -> ✗",
            ],
        ),
        (
            "nested",
            [
                "Net: float32[4, 2, 4, 4] -> …",
                "conv Sequential: float32[4, 2, 4, 4] -> …",
                "conv.0 Conv2d: float32[4, 2, 4, 4] -> float32[4, 4, 2, 2]",
                "conv.1 Linear: float32[4, 4, 2, 2] -> ✗",
            ],
        ),
        (
            "twice",
            [
                "Net: float32[4, 2, 4, 4] -> …",
                "same Linear: float32[4, 2, 4, 4] -> float32[4, 2, 4, 3]",
                "same Linear: float32[4, 2, 4, 3] -> ✗",
            ],
        ),
        ("caught", ["Net: float32[4, 2, 4, 4] -> ✗", "fc Linear: float32[4, 2, 4, 4] -> …"]),
    ],
)
def test_the_layers_are_followed_until_one_fails(
    name: str, lines: list[str], seen: dict[str, Observation]
) -> None:
    assert [layer_line(layer) for layer in seen[name].layers] == lines


def test_a_trace_has_a_bound(seen: dict[str, Observation]) -> None:
    assert len(seen["many"].layers) == 200
    assert seen["many"].output == "float32[4, 5]"


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("healthy", "float32[4, 5]"),
        ("infinite", "float32[4, 5] non-finite"),
        ("a tuple", "(bool[4, 4, 2, 2], [float32[]], {a: (None, str)}, (int32[4, 4, 2, 2],))"),
        ("complex", "complex64[2]"),
        ("sparse", "float32[2, 2]"),
        ("a layer on meta", "float32[2]@meta"),
    ],
)
def test_a_value_is_described(name: str, output: str, seen: dict[str, Observation]) -> None:
    assert seen[name].raised is None
    assert seen[name].output == output


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("warns", "UserWarning: see Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1))"),
        ("warns first", "UserWarning: early"),
    ],
)
def test_a_warning_is_quoted(name: str, note: str, seen: dict[str, Observation]) -> None:
    finding = seen[name].laws[Law.NO_WARNINGS]
    assert (finding.holds, finding.note) == (False, note)


def test_the_first_run_times_the_forward_pass_and_later_ones_do_not(server: ForkServer) -> None:
    jobs = [Job(0, OBSERVE, RunRequest(HEALTHY)), Job(1, OBSERVE, RunRequest(HEALTHY, full=False))]
    times = {
        ending.job: ending.answer.forward_ns
        for ending in server.run(jobs, Observation)
        if ending.answer
    }
    assert times[1] is None
    assert times[0]
    assert 1_000 < times[0] < 1_000_000_000


def test_inputs_that_are_not_finite_are_facts_too(runner: Remembering) -> None:
    sick = patched(("torch.randn(batch_size, 2, 4, 4)", "torch.full((4, 2, 4, 4), torch.nan)"))
    found = observations(runner, {"program": sick})["program"]
    assert found.given
    assert found.given.inputs == "float32[4, 2, 4, 4] non-finite"
    assert violated_laws(Healthy(OUTPUT, range=(0, 1)), found) >= {Law.INPUTS_AS_DECLARED}
