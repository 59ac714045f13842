"""Check the programs of a corpus against the case format; nothing is run."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from broken_convnets.corpus.contents import TREES, Problem
from broken_convnets.corpus.diff import hunks
from broken_convnets.corpus.entries import Case, Corpus, Entry
from broken_convnets.corpus.guides import guide_problems
from broken_convnets.corpus.kinds import unknown_topics
from broken_convnets.corpus.rules import check_program
from broken_convnets.corpus.symptom_rules import check_symptoms

DIFF_LIMIT = 8


def lint(corpus: Corpus) -> list[Problem]:
    """Return every problem: those found while loading, then those in the programs."""
    found = [problem for entry in corpus.entries.values() for problem in check(entry)]
    return [
        *corpus.problems,
        *found,
        *_twins(corpus),
        *guide_problems(corpus),
        *unknown_topics(corpus),
    ]


def _twins(corpus: Corpus) -> list[Problem]:
    """Return cases with the same change and message that do not declare how they differ.

    Generated cases may repeat a mistake.
    """
    seen: dict[tuple[str, ...], str] = {}
    problems = []
    for case in corpus.entries.values():
        if not isinstance(case, Case) or case.spec.differs or case.spec.generated:
            continue
        first = seen.setdefault(_template(case), case.id)
        if first != case.id:
            message = f"repeats {first}: delete one, or say in `differs` what it adds"
            problems.append(Problem(case.id, f"cases/{case.id}.toml", message))
    return problems


def _template(case: Case) -> tuple[str, ...]:
    """Return a case's changed lines and message without its names and numbers."""
    old, new = case.broken.splitlines(), case.fixed.splitlines()
    lines = [
        side
        for hunk in hunks(case.broken, case.fixed)
        for side in (
            *old[hunk.broken_start : hunk.broken_stop],
            "->",
            *new[hunk.fixed_start : hunk.fixed_stop],
        )
    ]
    texts = (*lines, case.spec.broken.message or "")
    return tuple(re.sub(r"\d+", "0", " ".join(text.split())) for text in texts)


def check(entry: Entry) -> list[Problem]:
    """Return the violations of the case format in one entry's programs."""
    if not isinstance(entry, Case):
        return _problems(entry.id, "controls", check_program(entry.source))
    generated = _is_generated(entry)
    problems = [
        *_problems(entry.id, "cases", check_program(entry.broken, generated=generated)),
        *_problems(entry.id, "fixes", check_program(entry.fixed, generated=generated)),
        *_problems(entry.id, "cases", check_symptoms(entry.spec), ".toml"),
    ]
    if not problems:
        problems += _problems(entry.id, "fixes", _check_pair(entry))
        problems += _problems(entry.id, "cases", _check_fragments(entry), ".toml")
    return problems


def _problems(name: str, tree: str, messages: list[str], suffix: str = ".py") -> list[Problem]:
    return [Problem(name, f"{tree}/{name}{suffix}", message) for message in messages]


def _check_pair(case: Case) -> list[str]:
    messages = []
    changed = hunks(case.broken, case.fixed)
    size = sum(hunk.size for hunk in changed)
    if not size:
        messages.append("is identical to the case: change what fixes it")
    if size > DIFF_LIMIT:
        messages.append(f"changes {size} lines of the case: keep to {DIFF_LIMIT}")
    if ast.get_docstring(ast.parse(case.broken)) != ast.get_docstring(ast.parse(case.fixed)):
        messages.append("has a different docstring than the case: use the same one")
    return messages


def _check_fragments(case: Case) -> list[str]:
    """Return quoted source text of the `.toml` that the case does not contain."""
    folded = " ".join(case.broken.split())
    places = {
        f"other_fix_sites[{index}]": text for index, text in enumerate(case.spec.other_fix_sites)
    }
    if case.spec.broken.expression:
        places["broken.expression"] = case.spec.broken.expression
    if case.spec.broken.cuda and case.spec.broken.cuda.expression:
        places["broken.cuda.expression"] = case.spec.broken.cuda.expression
    return [
        f"key `{key}`: {text!r} is not in the case: copy it from there"
        for key, text in places.items()
        if " ".join(text.split()) not in folded
    ]


def unformatted(corpus: Corpus) -> list[Problem]:
    """Return the programs that `ruff format` would change, except for generated ones.

    Raises FileNotFoundError if ruff is not installed, and RuntimeError if it fails: then
    nothing was checked.
    """
    ruff = shutil.which("ruff", path=sysconfig.get_path("scripts")) or shutil.which("ruff")
    if ruff is None:  # `nox -s lint` installs it
        message = "formatting was not checked: ruff is not installed (pip install ruff)"
        raise FileNotFoundError(message)
    trees = [str(corpus.root / tree) for tree in TREES if (corpus.root / tree).is_dir()]
    command = [ruff, "format", "--check", "--isolated", "--no-cache", "--output-format=json"]
    done = subprocess.run([*command, *trees], capture_output=True, text=True, check=False)
    try:
        files = {Path(item["filename"]).resolve() for item in json.loads(done.stdout)}
    except (json.JSONDecodeError, KeyError, TypeError):
        message = f"formatting was not checked: ruff printed {done.stderr.strip()!r}"
        raise RuntimeError(message) from None
    names = sorted(file.relative_to(corpus.root.resolve()) for file in files)
    problems = [
        Problem(
            Path(*name.parts[1:]).with_suffix("").as_posix(),
            name.as_posix(),
            "is not formatted: run `ruff format`",
        )
        for name in names
    ]
    generated = {entry.id for entry in corpus.entries.values() if _is_generated(entry)}
    return [problem for problem in problems if problem.id not in generated]


def _is_generated(entry: Entry) -> bool:
    return isinstance(entry, Case) and entry.spec.generated is not None
