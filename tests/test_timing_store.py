"""`nox -s bench` stores figures with their fingerprint, and a reason for each missing device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
Store = tuple[Path, "Callable[..., subprocess.CompletedProcess[str]]"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Time a few networks at every size, and store the times in a new folder."""
    folder = tmp_path_factory.mktemp("store")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "experiments/bench_forward.py",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "none/missing_return or layer_not_called or unavailable",
        f"--benchmark-storage=file://{folder}",
        "--benchmark-max-time=0.01",
        "--benchmark-min-rounds=2",
    ]

    # pytest-benchmark measures nothing in a worker of pytest-xdist, which this pytest is not.
    environment = {k: text for k, text in os.environ.items() if k != "PYTEST_XDIST_WORKER"}

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("--benchmark-save=first").returncode == 0
    (path,) = folder.rglob("*.json")
    return path, run


@pytest.fixture
def document(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store[0].read_text(encoding="utf-8"))
    return found


def test_each_size_that_the_network_accepts_has_a_row(document: dict[str, Any]) -> None:
    rows = {(row["params"]["name"], row["params"]["size"]) for row in document["benchmarks"]}
    assert {("none/missing_return", "small"), ("none/missing_return", "batch")} <= rows
    assert ("none/missing_return", "image") not in rows
    assert len(rows) == len(document["benchmarks"])


def test_a_row_contains_figures_and_ids_but_no_samples_or_tensors(
    document: dict[str, Any],
) -> None:
    for row in document["benchmarks"]:
        assert {"min", "median", "iqr", "rounds"} <= row["stats"].keys()
        assert "data" not in row["stats"]
        assert all(isinstance(value, str) for value in row["params"].values())
    assert "tensor" not in json.dumps(document["benchmarks"])


def test_the_store_contains_the_fingerprint_but_not_the_host_name(document: dict[str, Any]) -> None:
    machine = document["machine_info"]
    assert machine["fingerprint"]["threads"] == "1"
    assert {"processor", "vector code", "torch", "malloc"} <= machine["fingerprint"].keys()
    assert "node" not in machine


def test_a_missing_device_has_a_reason_and_no_figure(document: dict[str, Any]) -> None:
    devices = {row["params"]["device"] for row in document["benchmarks"]}
    missing = {row["device"]: row["reason"] for row in document["unavailable"]}
    assert not devices & missing.keys()
    assert devices | missing.keys() == {"cpu", "cuda"}
    assert all(reason.startswith("unavailable: ") for reason in missing.values())


def test_times_with_another_fingerprint_are_rejected_and_nothing_is_timed(store: Store) -> None:
    path, run = store
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace('"threads": "1"', '"threads": "64"'), encoding="utf-8")
    done = run("--benchmark-compare")
    path.write_text(before, encoding="utf-8")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "were measured under other conditions: threads 64 instead of 1" in done.stderr
    assert "passed" not in done.stdout
