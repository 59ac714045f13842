"""The experiment that counts which mistakes fit which models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.faults.registry import FAULTS
from broken_convnets.commands.wild.hosts.registry import HOSTS

from experiments.measure_wild_reach import partners, sparse, verified

if TYPE_CHECKING:
    from pathlib import Path

ALL = {(fault, model) for fault in FAULTS for model in HOSTS}


def test_pairs_are_listed_from_both_sides() -> None:
    pairs = {("shape/a", "resnet"), ("shape/a", "fcn"), ("shape/b", "fcn")}
    assert partners(pairs, 0) == {"shape/a": ["fcn", "resnet"], "shape/b": ["fcn"]}
    assert partners(pairs, 1) == {"fcn": ["shape/a", "shape/b"], "resnet": ["shape/a"]}


def test_a_class_of_few_models_and_a_model_of_few_classes_are_sparse() -> None:
    assert sparse(ALL) == []
    rare, few = "shape/missing_flatten", {"resnet", "vgg", "fcn"}
    assert sparse({pair for pair in ALL if pair[0] != rare or pair[1] in few}) == [rare]
    assert sparse({pair for pair in ALL if pair[1] != "unet"}) == ["unet"]


def test_the_verified_pairs_are_those_of_all_folders(tmp_path: Path) -> None:
    for name in ("one", "other"):
        manifest = {"programs": [{"of": "shape/a", "model": name}]}
        (tmp_path / name).mkdir()
        (tmp_path / name / "wild.json").write_text(json.dumps(manifest))
    trees = [tmp_path / "one", tmp_path / "other"]
    assert verified(trees) == {("shape/a", "one"), ("shape/a", "other")}
