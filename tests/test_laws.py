"""Every law can fail: a tiny sick network for each, and a healthy one that breaks none."""

from __future__ import annotations

from typing import Any

import pytest
from broken_convnets.corpus.spec import Healthy
from broken_convnets.observe.facts import Observation, RunRequest
from broken_convnets.observe.runner import OBSERVE
from broken_convnets.sandbox.job import Job
from broken_convnets.verdicts.declared_laws import violated_laws
from broken_convnets.vocabulary import Law
from kit import (
    HEALTHY,
    OUTPUT,
    TRAINED,
    Remembering,
    doing,
    importing,
    observations,
    patched,
    slow_but,
)
from sick_pipelines import HEALTHY_PIPELINES, SICK_PIPELINES
from sick_runs import HEALTHY_RUNS, REPLACED, SICK_RUNS

FLATTENED = "torch.flatten(x, 1)"
SCORED = f"self.fc({FLATTENED})"
BUILT = "super().__init__()"

SICK = (
    {
        "ten values instead of five": (
            {Law.OUTPUT_AS_DECLARED},
            patched(("2, 5)", "2, 10)")),
        ),
        "NaN in one place": (
            {Law.OUTPUT_AS_DECLARED},
            patched((SCORED, f"(y := {SCORED}) + 0 / (y < y.amax(1, True))")),
        ),
        "the batch size of the example is written down": (
            {Law.ANY_BATCH_SIZE, Law.SAMPLES_INDEPENDENT, Law.EXPORTS},
            patched((FLATTENED, "x.view(4, -1)")),
        ),
        "a batch of one loses its first dimension": (
            {Law.ANY_BATCH_SIZE, Law.SAMPLES_INDEPENDENT},
            patched((SCORED, f"{SCORED}.squeeze(0)")),
        ),
        "a batch of nine raises": (
            {Law.ANY_BATCH_SIZE},
            doing("x = x + x.new_zeros(8)[: x.shape[0], None, None, None]"),
        ),
        "the mean of the batch is taken off": (
            {Law.SAMPLES_INDEPENDENT},
            patched((FLATTENED, "torch.flatten(x - x.mean(0), 1)")),
        ),
        "dropout in eval mode": (
            {Law.DETERMINISTIC_IN_EVAL, Law.SAMPLES_INDEPENDENT, Law.STATE_ROUND_TRIPS},
            patched((FLATTENED, "nn.functional.dropout(torch.flatten(x, 1))")),
        ),
        "the second pass over an input is another": (
            {Law.DETERMINISTIC_IN_EVAL},
            doing(
                "KEPT.append((self, x))",
                "a, b = KEPT[-2:]",
                "x = x + (a[0] is b[0] and a[1].shape == b[1].shape and torch.equal(a[1], b[1]))",
                source=importing("copy", "KEPT = [(None, None)]"),
            ),
        ),
        "the input is clamped in place": (
            {Law.INPUTS_UNTOUCHED},
            doing("x.clamp_(-1, 1)"),
        ),
        "no activation": (
            {Law.NONLINEAR},
            patched(("torch.relu(self.conv(x))", "self.conv(x)")),
        ),
        "no activation, far from zero": (
            {Law.NONLINEAR},
            patched(("torch.relu(self.conv(x))", "self.conv(x)"), (SCORED, f"{SCORED} + 1e4")),
        ),
        "a layer that is never called": (
            {Law.EVERY_PARAMETER_LEARNS},
            patched((BUILT, f"{BUILT}\n        self.idle = nn.Linear(2, 2)")),
        ),
        "the loss never sees the parameters": (
            {Law.EVERY_PARAMETER_LEARNS},
            patched(("torch.flatten(x, 1)", "torch.flatten(x.detach(), 1)")),
        ),
        "infinite gradients": (
            {Law.EVERY_PARAMETER_LEARNS},
            doing("x = x + (self.conv.bias.sum() * 0).sqrt()"),
        ),
        "a random scale outside the state": (
            {Law.STATE_ROUND_TRIPS},
            patched(
                (BUILT, f"{BUILT}\n        self.scale = float(torch.rand(()))"),
                ("self.fc(", "self.scale * self.fc("),
            ),
        ),
        "a tensor that is no buffer": (
            {Law.MOVES_AS_ONE},
            patched(
                (BUILT, f"{BUILT}\n        self.scale = torch.tensor(2.0)"),
                ("self.fc(", "self.scale * self.fc("),
            ),
        ),
        "layers in a list": (
            {Law.MOVES_AS_ONE, Law.STATE_ROUND_TRIPS},
            patched(
                ("self.fc =", "self.layers = [nn.Linear(16, 16)]\n        self.fc ="),
                (FLATTENED, f"self.layers[0]({FLATTENED})"),
            ),
        ),
        "a device named in forward": (
            {Law.MOVES_AS_ONE},
            patched((FLATTENED, "torch.flatten(x, 1) + torch.ones(16, device='cpu')")),
        ),
        "a device named in forward, and the exception caught": (
            {Law.MOVES_AS_ONE, Law.EXPORTS},
            doing(
                "try:",
                "    x = torch.cat([x, torch.ones(x.shape, device='cpu')])[: len(x)]",
                "    x = torch.relu(self.conv(x))",
                "    return self.fc(torch.flatten(x, 1))",
                "except RuntimeError:",
                "    return x.new_zeros(len(x), 5)",
            ),
        ),
        "a loop over the samples": (
            {Law.EXPORTS},
            patched(
                ("torch.relu(self.conv(x))", "torch.relu(torch.stack([self.conv(y) for y in x]))")
            ),
        ),
        "a branch on the values": (
            {Law.EXPORTS},
            doing("x = x if x.sum() > -1e9 else -x"),
        ),
        "no backward pass": (
            {Law.ONE_BATCH_CAN_BE_LEARNED, Law.INFERENCE_BUILDS_NO_GRAPH},
            patched(("    loss.backward()\n", ""), source=TRAINED),
        ),
        "a loss without gradient": (
            {Law.ONE_BATCH_CAN_BE_LEARNED},
            patched(
                ("cross_entropy(net(x), labels)", "cross_entropy(net(x) * 1e-9, labels)"),
                source=TRAINED,
            ),
        ),
        "a warning": (
            {Law.NO_WARNINGS},
            doing("warnings.warn('careful')", needs="warnings"),
        ),
        "a warning of torch": (
            {Law.NO_WARNINGS},
            patched((SCORED, f"nn.functional.softmax({SCORED})")),
        ),
    }
    | SICK_RUNS
    | SICK_PIPELINES
)

TRAINED_OUTPUT = "float32[]"
STATE_OUTPUT = (
    "{conv.weight: float32[4, 2, 3, 3], fc.weight: float32[5, 16], fc.bias: float32[5], "
    "norm.weight: float32[4], norm.bias: float32[4], norm.running_mean: float32[4], "
    "norm.running_var: float32[4], norm.num_batches_tracked: int64[]}"
)
SEEDS = 10
FULL_SEEDS = 2  # with the laws of structure
WELL = {
    "forward": HEALTHY,
    "keeps its output": doing(
        "self.maps = torch.relu(self.conv(x))",
        "return self.fc(torch.flatten(self.maps, 1))",
    ),
    "tiny outputs": patched((SCORED, f"{SCORED} * 1e-6")),
    "images much alike": patched(
        ("torch.randn(batch_size", "0.5 + 0.1 * torch.rand(batch_size"),
        ("torch.relu(", "nn.functional.leaky_relu("),
        ("(2, 4,", "(2, 1,"),
        ("4 * 2 * 2", "2 * 2"),
    ),
    "training": TRAINED,
    **HEALTHY_RUNS,
    **HEALTHY_PIPELINES,
}
# The first network that breaks a law and no other one.
QUICK = {min(laws): name for name, (laws, _) in reversed(SICK.items()) if len(laws) == 1}
AS_DECLARED = {Law.OUTPUT_AS_DECLARED, Law.INPUTS_AS_DECLARED, Law.PARAMETERS_AS_DECLARED}


def _broken(seen: Observation, source: str) -> set[Law]:
    outputs = {"return loss": TRAINED_OUTPUT, "net.state_dict().items()": STATE_OUTPUT}
    declared = next((output for text, output in outputs.items() if text in source), OUTPUT)
    return violated_laws(Healthy(declared), seen)


@pytest.mark.parametrize("name", slow_but(QUICK.values(), SICK))
def test_a_sick_network_breaks_exactly(name: str, runner: Remembering) -> None:
    laws, source = SICK[name]
    seen = observations(runner, {name: source})[name]
    assert seen.raised is None
    assert _broken(seen, source) == laws, seen.laws
    assert all(finding.note for finding in seen.laws.values() if not finding.holds)


@pytest.mark.parametrize("law", sorted({*Law} - AS_DECLARED | {Law.OUTPUT_AS_DECLARED}))
def test_some_sick_network_breaks_only(law: Law) -> None:
    assert SICK[QUICK[law]][0] == {law}


@pytest.mark.parametrize(
    ("law", "declared"),
    [
        (None, {}),
        (None, {"inputs": "float32[4, 2, 4, 4]", "range": (-4, 4)}),
        (None, {"parameters": (161, 161)}),
        (Law.INPUTS_AS_DECLARED, {"inputs": "uint8[4, 2, 4, 4]"}),
        (Law.INPUTS_AS_DECLARED, {"range": (0, 1)}),
        (Law.INPUTS_AS_DECLARED, {"range": (-400, 400)}),
        (Law.INPUTS_AS_DECLARED, {"channels": [1.0, 0.0]}),
        (Law.INPUTS_AS_DECLARED, {"channels": [0.0]}),
        (Law.PARAMETERS_AS_DECLARED, {"parameters": (160, 161)}),
    ],
)
def test_what_is_declared_is_compared(
    law: Law | None, declared: dict[str, Any], runner: Remembering
) -> None:
    found = observations(runner, {"healthy": HEALTHY})["healthy"]
    assert violated_laws(Healthy(OUTPUT, **declared), found) == ({law} if law else set())


@pytest.fixture(scope="module")
def healthy(runner: Remembering) -> dict[tuple[str, int], Observation]:
    """Run every healthy program under every seed, as many at a time as there are workers.

    The laws of structure take most of the time and do not depend on the drawn numbers: two
    seeds are enough for them.
    """
    keys = [(name, seed) for name in WELL for seed in range(SEEDS)]
    jobs = [
        Job(number, OBSERVE, RunRequest(WELL[name], seed, full=seed < FULL_SEEDS))
        for number, (name, seed) in enumerate(keys)
    ]
    found = {keys[ending.job]: ending.answer for ending in runner.run(jobs, Observation)}
    return {key: seen for key, seen in found.items() if seen}


@pytest.mark.parametrize("name", WELL)
def test_a_healthy_network_breaks_none(name: str, runner: Remembering) -> None:
    seen = observations(runner, WELL)[name]
    assert _broken(seen, WELL[name]) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", WELL)
def test_a_healthy_network_breaks_none_over_ten_seeds(
    name: str, healthy: dict[tuple[str, int], Observation]
) -> None:
    for seed in range(SEEDS):
        assert _broken(healthy[name, seed], WELL[name]) == set(), f"seed {seed}"


def test_every_law_is_judged_where_it_applies(runner: Remembering) -> None:
    found = observations(runner, WELL).values()
    held = {law for seen in found for law, finding in seen.laws.items() if finding.holds}
    assert held == {*Law} - AS_DECLARED


def test_a_law_that_does_not_apply_says_why(runner: Remembering) -> None:
    finding = observations(runner, {"healthy": HEALTHY})["healthy"].laws[
        Law.ONE_BATCH_CAN_BE_LEARNED
    ]
    assert (finding.holds, finding.note) == (None, "the program has no targets")


@pytest.mark.parametrize(
    "line",
    [
        "x = x * (1 + int(x.isfinite().all().item()))",
        "torch.autocast(x.device.type, torch.bfloat16, enabled=x.is_meta).__enter__()",
    ],
)
def test_what_meta_cannot_do_is_no_breach(line: str, runner: Remembering) -> None:
    found = observations(runner, {"program": doing(line)})["program"]
    assert found.laws[Law.MOVES_AS_ONE].holds is None
    assert "meta" in found.laws[Law.MOVES_AS_ONE].note


def test_a_layer_that_the_run_replaces_is_watched_too(runner: Remembering) -> None:
    found = observations(runner, {"program": REPLACED})["program"]
    assert found.laws[Law.GRADIENTS_ARE_FRESH].holds


def test_a_second_network_decides_whether_a_batch_can_be_learned(runner: Remembering) -> None:
    start = "super().__init__()\n"
    scales = {"unlucky": "torch.initial_seed() % 2", "stuck": "0"}
    programs = {
        name: patched(
            (start, f"{start}        self.scale = {scale}\n"),
            (SCORED, f"{SCORED} * self.scale"),
            source=TRAINED,
        )
        for name, scale in scales.items()
    }
    seen = observations(runner, programs)
    judged = {name: one.laws[Law.ONE_BATCH_CAN_BE_LEARNED].holds for name, one in seen.items()}
    assert judged == {"unlucky": True, "stuck": False}


@pytest.mark.parametrize("law", Law)
def test_a_description_is_one_sentence(law: Law) -> None:
    assert law.description.endswith(".")
    assert law.description.count(". ") == 0
