"""Record what happened in `results/`, per torch release and device, and compare with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from broken_convnets.util import files
from broken_convnets.util.locks import locked
from broken_convnets.util.toml_files import read_toml, write_toml
from broken_convnets.verdicts import matrix
from broken_convnets.verdicts.layer_lines import layer_line
from broken_convnets.vocabulary import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.observe.facts import Observation, RuntimeInfo
    from broken_convnets.vocabulary import Law

UNSTABLE = {Verdict.FLAKY, Verdict.TIMEOUT, Verdict.INVALID}


class Side(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one program did, as far as it is the same in every run.

    A law in neither `holds` nor `violates` does not apply to it.
    """

    stage: str = ""
    raises: str = ""
    message: str = ""
    expression: str = ""
    layer: str = ""
    output: str = ""
    holds: list[str] = []
    violates: list[str] = []
    layers: list[str] = []


class Record(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one entry of the corpus did."""

    verdict: Verdict
    broken: Side | None = None
    fixed: Side | None = None


class Baseline(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that was recorded under one torch release on one device."""

    torch: str
    torchvision: str
    python: str
    device: str
    entries: dict[str, Record] = {}


def side(observation: Observation | None, violated: set[Law]) -> Side | None:
    """Return the record of an observation; `violated` are the laws that it violates."""
    if observation is None:
        return None
    raised = observation.raised
    holds = [law.value for law, finding in observation.laws.items() if finding.holds]
    return Side(
        stage=raised.stage.value if raised else "",
        raises=raised.type if raised else "",
        message=raised.message if raised else "",
        expression=raised.expression if raised else "",
        layer=raised.layer if raised else "",
        output=observation.output or "",
        holds=sorted(holds),
        violates=[] if raised else sorted(law.value for law in violated),
        layers=[layer_line(layer) for layer in observation.layers],
    )


def baseline_path(results: Path, torch: str, device: str) -> Path:
    """Return the path of the records of a release and device."""
    return results / f"torch-{torch}" / f"{device}.toml"


def read_baseline(path: Path) -> Baseline:
    """Read one baseline; raises RecordError if it is damaged."""
    return read_toml(path, Baseline, "restore it, or delete it and record again with --update")


def read_all(results: Path) -> list[Baseline]:
    """Read every baseline, the newest release first."""
    baselines = [read_baseline(path) for path in results.glob("torch-*/*.toml")]
    return sorted(
        baselines, key=lambda baseline: (_release(baseline.torch), baseline.device), reverse=True
    )


def newest(results: Path, name: str) -> tuple[str, Record | None]:
    """Return the release and the newest record of an entry; ("", None) if there is none.

    Older baselines are not read. Raises RecordError.
    """
    for path in sorted(results.glob("torch-*/*.toml"), key=_age, reverse=True):
        baseline = read_baseline(path)
        if name in baseline.entries:
            return baseline.torch, baseline.entries[name]
    return "", None


def nearest(baselines: list[Baseline], torch: str, device: str) -> Baseline | None:
    """Return the baseline of a release and device, or else the newest one of the device."""
    on_device = [baseline for baseline in baselines if baseline.device == device]
    exact = [baseline for baseline in on_device if baseline.torch == torch]
    return next(iter(exact or on_device), None)


def update(
    results: Path, runtime: RuntimeInfo, happened: dict[str, dict[str, Record]], known: set[str]
) -> list[Path]:
    """Record what happened, by device and id, in `results/`.

    An entry whose verdict does not repeat keeps its former record; an entry that is not in the
    corpus any more (`known`) is removed. Returns the paths written, and raises RecordError, before
    anything is written, if a file is damaged.
    """
    with locked(results):
        return _update(results, runtime, happened, known)


def _update(
    results: Path, runtime: RuntimeInfo, happened: dict[str, dict[str, Record]], known: set[str]
) -> list[Path]:
    read_all(results)  # refuses a damaged file before anything is written
    written = []
    for device, entries in happened.items():
        path = baseline_path(results, runtime.torch, device)
        former = read_baseline(path).entries if path.is_file() else {}
        write_toml(path, _baseline(runtime, device, {**former, **_stable(entries)}, known))
        written.append(path)
    files.write(results / "README.md", matrix.page(read_all(results)))
    return written


def _baseline(
    runtime: RuntimeInfo, device: str, entries: dict[str, Record], known: set[str]
) -> Baseline:
    kept = {name: entries[name] for name in sorted(entries) if name in known}
    return Baseline(runtime.torch, runtime.torchvision, runtime.python, device, kept)


def _stable(entries: dict[str, Record]) -> dict[str, Record]:
    return {name: record for name, record in entries.items() if record.verdict not in UNSTABLE}


def drift(record: Record | None, now: Record) -> list[tuple[str, str, str]]:
    """Return what differs from a record: (where, recorded, now)."""
    if record is None:
        return []
    then, here = (_flat(msgspec.to_builtins(item)) for item in (record, now))
    keys = sorted({*then, *here})
    return [
        (key, then.get(key, ""), here.get(key, ""))
        for key in keys
        if then.get(key) != here.get(key)
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(value, dict):
        return {prefix: "\n".join(value) if isinstance(value, list) else str(value)}
    items = [_flat(item, f"{prefix}.{key}".lstrip(".")) for key, item in value.items()]
    return {key: text for item in items for key, text in item.items()}


def _age(path: Path) -> tuple[list[int], str]:
    """Return the sort key of a baseline's path: its release and device."""
    return _release(path.parent.name.removeprefix("torch-")), path.stem


def _release(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
