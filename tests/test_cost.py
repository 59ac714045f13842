"""Counts are the same on every run, and any change of a forward pass changes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.cost.baseline import compare, difference_lines
from broken_convnets.commands.cost.counting import Counts, count
from broken_convnets.observe.facts import Cost, CostReport, RunRequest
from broken_convnets.observe.runner import COUNT
from broken_convnets.sandbox.job import Job
from kit import HEALTHY, Pair, corpus_of, doing, patched, put

if TYPE_CHECKING:
    from broken_convnets.sandbox.fork_client import ForkServer
    from conftest import Command

HEAD = "self.fc(torch.flatten(x, 1))"
WHOLE = Cost(85_760, 31_008, 7, 9_344, ["1 aten.relu.default float32 -> float32"])

# What makes a forward pass dearer, or as it was to a counter that sees operators alone.
PROGRAMS = {
    "healthy": HEALTHY,
    "clone": doing("x = x.clone()"),
    "upcast": patched((HEAD, "self.fc.double()(torch.flatten(x, 1).double()).float()")),
    "second pass": doing("self.conv(x)"),
    "wider": patched(("2, 4, kernel", "2, 8, kernel"), ("Linear(4 *", "Linear(8 *")),
    "other order": patched(
        ("torch.flatten(x, 1))", "torch.relu(torch.flatten(x, 1)))"),
        ("torch.relu(self.conv(x))", "self.conv(x)"),
    ),
    "slow loop": doing("sum(range(100_000))"),
    "keeps nothing": doing("[x + 1 for _ in range(5)]"),
    "keeps all": doing("kept = [x + 1 for _ in range(5)]"),
}


@pytest.fixture(scope="module")
def costs(server: ForkServer) -> dict[str, Cost]:
    counted = count(server, PROGRAMS, "cpu")
    assert not counted.failed
    return counted.programs


def test_the_counts_of_a_small_network_are_those_on_paper(costs: dict[str, Cost]) -> None:
    conv, fc = 2 * (4 * 4 * 2 * 2) * (2 * 3 * 3), 2 * 4 * 16 * 5
    maps, scores = 4 * (4 * 4 * 2 * 2), 4 * (4 * 5)
    transposed = 4 * (16 * 5)
    assert costs["healthy"] == Cost(
        flops=conv + fc,
        output_bytes=3 * maps + transposed + scores,  # conv, relu, a view; a view; the output
        allocations=3,
        peak_bytes=2 * maps,  # what relu takes and gives
        operators=[
            "1 aten.convolution.default float32, float32, float32 -> float32",
            "1 aten.relu.default float32 -> float32",
            "1 aten.view.default float32 -> float32",
            "1 aten.t.default float32 -> float32",
            "1 aten.addmm.default float32, float32, float32 -> float32",
        ],
    )


@pytest.mark.parametrize("name", ["clone", "upcast", "second pass", "wider", "other order"])
def test_a_change_of_the_forward_pass_is_found(name: str, costs: dict[str, Cost]) -> None:
    assert difference_lines(costs["healthy"], costs[name])


def test_flops_alone_miss_a_clone_and_an_upcast(costs: dict[str, Cost]) -> None:
    assert costs["clone"].flops == costs["upcast"].flops == costs["healthy"].flops
    assert costs["clone"].allocations == costs["healthy"].allocations + 1
    assert any("float64" in operator for operator in costs["upcast"].operators)


def test_a_slow_python_loop_is_not_seen(costs: dict[str, Cost]) -> None:
    assert costs["slow loop"] == costs["healthy"]


def test_the_peak_holds_what_lives_at_one_time(costs: dict[str, Cost]) -> None:
    dropped, kept = costs["keeps nothing"], costs["keeps all"]
    image_bytes = 4 * (4 * 2 * 4 * 4)
    assert dropped.operators == kept.operators
    assert kept.peak_bytes >= 5 * image_bytes
    assert dropped.allocations == kept.allocations


def test_every_process_counts_the_same(server: ForkServer, costs: dict[str, Cost]) -> None:
    jobs = [Job(number, COUNT, RunRequest(HEALTHY)) for number in range(20)]
    found = [ending.answer and ending.answer.cost for ending in server.run(jobs, CostReport)]
    assert found == [costs["healthy"]] * 20


def test_what_does_not_repeat_or_does_not_run_has_no_counts(server: ForkServer) -> None:
    sick = {
        "varies": doing("[x.clone() for _ in range(os.getpid() % 999)]", needs="os"),
        "raises": doing("raise ValueError('no\\nway')"),
        "exits": doing("os._exit(0)", needs="os"),
    }
    counted = count(server, sick, "cpu")
    assert counted.programs == {}
    assert counted.failed["varies"] == "two processes counted differently"
    assert counted.failed["raises"] == "ValueError: no"
    assert "without a result" in counted.failed["exits"]
    assert len(compare(None, counted, set())) == len(sick)


def test_a_difference_is_listed_operator_by_operator() -> None:
    here = Cost(85_760, 31_108, 8, 9_344, ["2 aten.relu.default float32 -> float32"])
    assert difference_lines(WHOLE, here) == [
        "output bytes: recorded 31,008, here 31,108",
        "allocations: recorded 7, here 8",
        "- 1 aten.relu.default float32 -> float32",
        "+ 2 aten.relu.default float32 -> float32",
    ]
    assert difference_lines(None, here) == ["not recorded yet"]
    assert difference_lines(WHOLE, WHOLE) == []


def test_without_a_book_nothing_is_compared() -> None:
    assert compare(None, Counts("cpu", {"a/b fixed": WHOLE}, {}), set()) == []


def test_cost_compares_with_the_recorded_counts(harness: Command) -> None:
    first = harness("cost")
    assert first.code == 0
    assert "programs counted: 2, nothing is recorded for this release" in first.out
    assert "cuda: not tried (no CUDA device)" in first.out
    assert harness("cost", "--update").code == 0
    (book,) = harness.root.glob("results/torch-*/cost/cpu.toml")
    before = book.read_bytes()
    assert harness("cost").code == 0
    harness("cost", "--update")
    assert book.read_bytes() == before

    put(harness.root / "fixes/shape/pair.py", PROGRAMS["clone"])
    done = harness("cost")
    assert done.code == 1
    assert "shape/pair fixed\n  output bytes: recorded" in done.out
    assert "+ 1 aten.clone.default float32 -> float32" in done.out
    document = harness.json("cost", "pair")["devices"]["cpu"]
    assert "shape/pair fixed" in document["differences"]
    assert book.read_bytes() == before


def test_cost_counts_a_silent_case_and_no_loud_one(harness: Command) -> None:
    corpus_of(harness.root, {"loss/quiet": Pair(PROGRAMS["clone"], silent=("no-warnings",))})
    programs = harness.json("cost")["devices"]["cpu"]["programs"]
    assert set(programs) == {
        "dtype/myth fixed",
        "loss/quiet broken",
        "loss/quiet fixed",
        "shape/pair fixed",
    }


def test_a_program_that_came_or_went_is_a_difference(harness: Command) -> None:
    harness("cost", "--update")
    for tree, suffix in (("cases", "py"), ("cases", "toml"), ("fixes", "py")):
        (harness.root / tree / f"shape/pair.{suffix}").unlink()
    corpus_of(harness.root, {"shape/other": Pair()})
    done = harness("cost")
    assert done.code == 1
    assert "shape/pair fixed\n  recorded, but does not exist" in done.out
    assert "shape/other fixed\n  not recorded yet" in done.out
    assert harness("cost", "dtype").code == 0, "what was not asked for is not missed"
    assert harness("cost", "--update").code == 0
    assert harness("cost").code == 0


def test_damaged_counts_exit_2_by_name(harness: Command) -> None:
    harness("cost", "--update")
    (book,) = harness.root.glob("results/torch-*/cost/cpu.toml")
    book.write_text(book.read_text().replace("flops = ", "flops = 'many' # "))
    done = harness("cost")
    assert (done.code, done.out) == (2, "")
    assert re.search(r"error: .*/cost/cpu\.toml: .*restore it", done.err)
