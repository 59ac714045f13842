"""A `.toml` that does not fit the schema is rejected, with the key and the remedy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w
from broken_convnets.corpus.declared import SpecError, read_case, read_control
from broken_convnets.vocabulary import Law, Stage
from kit import DECLARED, SOLO_PROSE, Pair, Solo, put
from packaging.specifiers import InvalidSpecifier, SpecifierSet

if TYPE_CHECKING:
    from pathlib import Path

GONE = object()
WORDS = "word " * 81
SILENT = {"stage": "silent", "violates": ["nonlinear"]}

BAD_CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"colour": "red"}, "colour", "remove it, or correct its spelling"),
    ({"broken.line": 3}, "broken.line", "remove it, or correct its spelling"),
    ({"fixed.shape": "x"}, "fixed.shape", "remove it, or correct its spelling"),
    ({"broken.cuda": {"output": "x"}}, "broken.cuda.output", "remove it, or correct its spelling"),
    ({"title": GONE}, "title", "add it"),
    ({"hints": GONE}, "hints", "add it"),
    ({"broken": GONE}, "broken", "add it"),
    ({"fixed.output": GONE}, "fixed.output", "add it"),
    ({"broken.stage": GONE}, "broken.stage", "add it"),
    ({"broken.stage": "backward"}, "broken.stage", f"one of: {', '.join(Stage)}"),
    ({"broken": {"stage": "silent", "violates": ["gravity"]}}, "broken.violates", "one of: output"),
    ({"waive": {"gravity": "light"}}, "waive", "one of: output"),
    ({"waive": {"nonlinear": ""}}, "waive", "correct its value"),
    ({"level": "one"}, "level", "correct its value"),
    ({"level": 4}, "level", "correct its value"),
    ({"level": 0}, "level", "correct its value"),
    ({"title": 7}, "title", "correct its value"),
    ({"title": " "}, "title", "correct its value"),
    ({"hints": "Look."}, "hints", "correct its value"),
    ({"hints": []}, "hints", "correct its value"),
    ({"other_fix_sites": [""]}, "other_fix_sites", "correct its value"),
    ({"covers": ["None Into Layer"]}, "covers", "correct its value"),
    ({"sources": ["http://example.org"]}, "sources", "correct its value"),
    ({"sources": ["https://"]}, "sources", "correct its value"),
    ({"sources": []}, "sources", "correct its value"),
    ({"fixed": "float32[4, 5]"}, "fixed", "correct its value"),
    ({"why": WORDS}, "why", "has 81 words: shorten it to 80"),
    ({"diagnose": WORDS}, "diagnose", "has 81 words: shorten it to 80"),
    ({"broken.message": "m"}, "broken.message", "is part of too many messages; declare more of it"),
    ({"broken.cuda": {"message": "a b"}}, "broken.cuda.message", "declare more of it"),
    ({"broken.raises": GONE}, "broken.raises", "a loud failure declares it"),
    ({"broken.message": GONE}, "broken.message", "a loud failure declares it"),
    ({"broken.expression": GONE}, "broken.expression", "a loud failure declares it"),
    ({"broken.violates": ["nonlinear"]}, "broken.violates", "remove one of the two"),
    ({"broken.raises": "ImportError"}, "broken.raises", "choose another failure"),
    ({"broken.raises": "ModuleNotFoundError"}, "broken.raises", "choose another failure"),
    ({"broken": {"stage": "silent"}}, "broken.violates", "list the laws"),
    ({"broken": {**SILENT, "raises": "ValueError"}}, "broken.raises", "remove it"),
    ({"broken": {**SILENT, "message": "no"}}, "broken.message", "remove it"),
    ({"broken": {**SILENT, "expression": "x"}}, "broken.expression", "remove it"),
    ({"broken": {**SILENT, "layer": "fc"}}, "broken.layer", "remove it"),
    ({"broken.cuda": {}}, "broken.cuda", "name what differs there, or remove it"),
    ({"broken.cuda": {"message": DECLARED["message"]}}, "broken.cuda.message", "remove it"),
    ({"broken.cuda": {"stage": "cpu"}}, "broken.cuda.stage", f"one of: {', '.join(Stage)}"),
    ({"broken.cuda": {"raises": "ImportError"}}, "broken.cuda.raises", "choose another failure"),
    ({"broken.cuda": {"stage": "silent"}}, "broken.cuda.stage", ""),
    ({"broken": {**SILENT, "cuda": {"message": "no"}}}, "broken.cuda.message", ""),
    ({"torch": "2.6"}, "torch", "name releases as in"),
    ({"broken.fails": False}, "broken.fails", "only an override"),
    ({"broken.torch": {"2.6": {"fails": False}}}, 'broken.torch."2.6"', "name releases as in"),
    ({"broken.torch": {"<2.6": {}}}, 'broken.torch."<2.6"', "remove it"),
    ({"broken.torch": {"<2.6": {"fails": True}}}, 'broken.torch."<2.6".fails', "remove it"),
    ({"broken.torch": {"<2.6": {"raises": "ImportError"}}}, "broken.torch", "choose another"),
]

BAD_CONTROLS: list[tuple[dict[str, Any], str, str]] = [
    ({"claim": GONE}, "claim", "add it"),
    ({"hints": ["Look."]}, "hints", "remove it, or correct its spelling"),
    ({"works": {}}, "works.output", "add it"),
    ({"torch": "2.6"}, "torch", "name releases as in"),
    ({"truth": WORDS}, "truth", "has 81 words: shorten it to 80"),
]


def _changed(spec: dict[str, Any], changes: dict[str, Any]) -> str:
    spec = copy.deepcopy(spec)
    for path, value in changes.items():
        *above, key = path.split(".")
        table = spec
        for name in above:
            table = table[name]
        table[key] = value
        if value is GONE:
            del table[key]
    return tomli_w.dumps(spec)


def _name(value: object) -> str | None:
    return next(iter(value)) if isinstance(value, dict) else None


@pytest.mark.parametrize(("changes", "key", "remedy"), BAD_CASES, ids=_name)
def test_an_invalid_case_is_rejected_by_key(
    changes: dict[str, Any], key: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(_changed(Pair().spec(), changes))
    with pytest.raises(SpecError) as caught:
        read_case(path)
    assert str(caught.value).startswith(f"key `{key}")
    assert remedy in str(caught.value)


@pytest.mark.parametrize(("changes", "key", "remedy"), BAD_CONTROLS, ids=_name)
def test_an_invalid_control_is_rejected_by_key(
    changes: dict[str, Any], key: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(_changed(Solo().spec(), changes))
    with pytest.raises(SpecError) as caught:
        read_control(path)
    assert str(caught.value).startswith(f"key `{key}`")
    assert remedy in str(caught.value)


@pytest.mark.parametrize("content", [b"title = ", b"[broken\n", b"a = 1\na = 2", b"\xff\xfe"])
def test_invalid_toml_is_rejected_with_its_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"^not valid TOML: .*(line|position|end).*; correct"):
        read_case(path)


def test_a_valid_case_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    cuda = {"message": "device-side assert", "layer": "conv"}
    pair = Pair(
        declared={"cuda": cuda}, waive={"exports": "too old"}, extra={"other_fix_sites": ["x = y"]}
    )
    path.write_text(tomli_w.dumps(pair.spec()))
    spec = read_case(path)
    assert (spec.broken.stage, spec.broken.message) == (Stage.FORWARD, DECLARED["message"])
    assert spec.waive == {Law.EXPORTS: "too old"}
    assert spec.other_fix_sites == ["x = y"]


def test_a_valid_silent_case_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(tomli_w.dumps(Pair(silent=("nonlinear", "exports")).spec()))
    assert read_case(path).broken.violates == {Law.NONLINEAR, Law.EXPORTS}


def test_a_valid_control_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(tomli_w.dumps(Solo().spec()))
    assert read_control(path).claim == SOLO_PROSE["claim"]


@pytest.mark.parametrize("words", [1, 80])
def test_eighty_words_are_allowed(words: int, tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(tomli_w.dumps(Pair(extra={"why": "word " * words}).spec()))
    assert len(read_case(path).why.split()) == words


@pytest.mark.parametrize("versions", ["<2.13", ">=2.6,<2.9", "!=2", "~=2.1", ">= 2.6", "==2.9.*"])
def test_a_valid_specifier_is_accepted(versions: str, tmp_path: Path) -> None:
    put(tmp_path / "case.toml", tomli_w.dumps(Pair(extra={"torch": versions}).spec()))
    assert SpecifierSet(versions)
    assert read_case(tmp_path / "case.toml").torch == versions


@pytest.mark.parametrize("versions", ["<2.x", "=>2", "<2..1", "<2.", "2.6,<3", "<2.6 <3", "<٢"])
def test_an_invalid_specifier_is_rejected(versions: str, tmp_path: Path) -> None:
    put(tmp_path / "case.toml", tomli_w.dumps(Pair(extra={"torch": versions}).spec()))
    with pytest.raises(InvalidSpecifier):
        SpecifierSet(versions)
    with pytest.raises(SpecError, match="name releases as in"):
        read_case(tmp_path / "case.toml")
