"""Read the declarations in a `.toml`, or say which key is wrong and what to do."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from broken_convnets.corpus.spec import CaseSpec, ControlSpec, GuideSpec
from broken_convnets.corpus.symptoms import Symptom
from broken_convnets.util.files import read
from broken_convnets.vocabulary import Law, Stage

if TYPE_CHECKING:
    from enum import StrEnum
    from pathlib import Path

    from broken_convnets.corpus.spec import Broken

Schema = TypeVar("Schema")
WORD_LIMIT = 80
MESSAGE_LETTERS = 8  # of a declared message; fewer are in messages of other mistakes too
_NAMES: dict[str, type[StrEnum]] = {"stage": Stage, "symptoms": Symptom}  # by part of the key
_RELEASES = r"(?:[<>]=?|[!=]=)\d+(?:\.\d+)*"
# Certainly valid: importing `packaging` takes longer than checking a whole corpus.
_PLAIN = re.compile(rf"{_RELEASES}(?:,{_RELEASES})*", re.ASCII)


class SpecError(Exception):
    """An invalid `.toml`; the message names the key and says what to do."""


def read_case(path: Path | str) -> CaseSpec:
    """Read and check a case's `.toml`; raises SpecError if it is invalid."""
    spec = _read(path, CaseSpec)
    _check_failure(spec.broken)
    for key in ("why", "diagnose"):
        _check_length(key, getattr(spec, key))
    _check_override(spec.broken)
    _check_needed(spec.torch)
    return spec


def read_control(path: Path | str) -> ControlSpec:
    """Read and check a control's `.toml`; raises SpecError if it is invalid."""
    spec = _read(path, ControlSpec)
    _check_length("truth", spec.truth)
    _check_needed(spec.torch)
    return spec


def read_guide(path: Path | str) -> GuideSpec:
    """Read and check a guide's `.toml`; raises SpecError if it is invalid."""
    spec = _read(path, GuideSpec)
    _check_length("why", spec.why)
    return spec


def _read(path: Path | str, schema: type[Schema]) -> Schema:
    try:
        data = tomllib.loads(read(path))
    except OSError as error:
        message = f"cannot be read: {error.strerror}; correct its permissions"
        raise SpecError(message) from None
    except (ValueError, RecursionError) as error:  # not TOML or UTF-8, a huge number, too deep
        message = f"not valid TOML: {error}; correct the syntax there"
        raise SpecError(message) from None
    try:
        return msgspec.convert(data, schema)
    except msgspec.ValidationError as error:
        raise SpecError(_remedy(str(error))) from None


def _remedy(message: str) -> str:
    """Turn msgspec's message into one that names the key first and says what to do."""
    text, _, where = message.partition(" - at `")
    key = where.rstrip("`").removeprefix("key` in `").removeprefix("$").lstrip(".")
    if "unknown field" in text:
        name = text.rsplit("`", 2)[1]
        return f"key `{_join(key, name)}` is unknown: remove it, or correct its spelling"
    if "missing required field" in text:
        name = text.rsplit("`", 2)[1]
        return f"key `{_join(key, name)}` is missing: add it (docs/case-format.md)"
    names = next((names for part, names in _NAMES.items() if part in key), Law)
    hint = f"; one of: {', '.join(names)}" if "enum" in text or names is Stage else ""
    return f"key `{key}`: {text[:1].lower()}{text[1:]}{hint}: correct its value"


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _check_failure(broken: Broken) -> None:
    loud = {key: getattr(broken, key) for key in ("raises", "message", "expression")}
    if broken.stage is Stage.SILENT:
        given = [key for key, value in {**loud, "layer": broken.layer}.items() if value]
        if given:
            message = f'key `broken.{given[0]}` contradicts stage = "silent": remove it'
            raise SpecError(message)
        if not broken.violates:
            message = "key `broken.violates` is missing: list the laws that the case violates"
            raise SpecError(message)
        return
    if broken.violates:
        message = 'key `broken.violates` needs stage = "silent": remove one of the two'
        raise SpecError(message)
    for key, value in loud.items():
        if value is None:
            message = f"key `broken.{key}` is missing: a loud failure declares it"
            raise SpecError(message)
    _check_class("broken.raises", broken.raises)
    _check_message("broken.message", broken.message or "")


def _check_message(key: str, message: str) -> None:
    if sum(map(str.isalnum, message)) < MESSAGE_LETTERS:
        wrong = f"key `{key}`: {message!r} is part of too many messages; declare more of it"
        raise SpecError(wrong)


def _check_class(key: str, raises: object) -> None:
    if raises in {"ImportError", "ModuleNotFoundError"}:
        message = f"key `{key}`: an import that fails proves nothing; choose another failure"
        raise SpecError(message)


def _check_length(key: str, text: str) -> None:
    words = len(text.split())
    if words > WORD_LIMIT:
        message = f"key `{key}` has {words} words: shorten it to {WORD_LIMIT}"
        raise SpecError(message)


def _check_override(broken: Broken) -> None:
    if not broken.fails:
        message = "key `broken.fails`: only an override can be `false`; remove it here"
        raise SpecError(message)
    overrides = {f'torch."{versions}"': override for versions, override in broken.torch.items()}
    for versions in broken.torch:
        _check_versions(f'broken.torch."{versions}"', versions)
    if broken.cuda is not None:
        overrides["cuda"] = broken.cuda
    for place, override in overrides.items():
        _check_difference(broken, f"broken.{place}", override.given())


def _check_needed(torch: str | None) -> None:
    if torch is not None:
        _check_versions("torch", torch)


def _check_versions(key: str, versions: str) -> None:
    if _PLAIN.fullmatch(versions):
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415  (likewise)

    try:
        SpecifierSet(versions)
    except InvalidSpecifier:
        message = f'key `{key}`: name releases as in "<2.13" or ">=2.6,<2.9"'
        raise SpecError(message) from None


def _check_difference(broken: Broken, place: str, given: dict[str, Any]) -> None:
    if not given:
        message = f"key `{place}` is empty: name what differs there, or remove it"
        raise SpecError(message)
    _check_class(f"{place}.raises", given.get("raises"))
    if "message" in given:
        _check_message(f"{place}.message", given["message"])
    for key, value in given.items():
        if key != "fails" and Stage.SILENT in {broken.stage, value}:
            message = f"key `{place}.{key}`: one of the two is silent; declare two cases"
            raise SpecError(message)
        if value == getattr(broken, key):
            message = f"key `{place}.{key}` does not differ from `broken.{key}`: remove it"
            raise SpecError(message)
