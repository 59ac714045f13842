"""Hold every program to the corpus contract, by reading it; nothing is run."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tokenize
from pathlib import Path

from .corpus import TREES, Case, Corpus, Entry, Problem
from .diff import hunks
from .messages import Message, read
from .wording import split, wording

LINE_LIMIT = 45
DIFF_LIMIT = 8
LIBRARIES = {"torch", "torchvision", "numpy", "PIL"}
GIVEAWAYS = re.compile(
    r"bug|buggy|broken|fix(ed|me)?|wrong|incorrect|mistake|error|fail(s|ed|ure|ing)?"
    r"|todo|xxx|hack|oops|bad|forg[eo]t(ten)?|missing|solution|answer",
)
GUARD = "if __name__ == '__main__':"


def lint(corpus: Corpus) -> list[Problem]:
    """Return every breach of the contract: those of loading, then those in the programs."""
    found = [problem for entry in corpus.entries.values() for problem in check(entry)]
    return [*corpus.problems, *found, *_twins(corpus), *_needless(corpus)]


def _needless(corpus: Corpus) -> list[Problem]:
    """Refuse wordings in `seen` that the recorded results hold already, or that come twice."""
    recorded = read(corpus.root / "results")
    problems = []
    for case in corpus.entries.values():
        if isinstance(case, Case):
            messages = _check_seen(case, recorded.get(case.id, []))
            problems += _problems(case.id, "cases", messages, ".toml")
    return problems


def _check_seen(case: Case, recorded: list[Message]) -> list[str]:
    known = [(message.raises, wording(message.says)) for message in recorded]
    firsts: dict[tuple[str, str], int] = {}
    messages = []
    for index, seen in enumerate(case.spec.seen):
        raises, says = split(seen.says)
        wanted = (raises, wording(says))
        first = firsts.setdefault(wanted, index)
        if first != index:
            messages.append(f"key `seen[{index}]` repeats `seen[{first}]`: remove one")
        if wanted[1] and any(wanted[1] in text and raises in {"", kind} for kind, text in known):
            messages.append(f"key `seen[{index}]` is in the recorded results already: remove it")
    return messages


def _twins(corpus: Corpus) -> list[Problem]:
    """Refuse cases of the same change and message, unless they say how they differ."""
    seen: dict[tuple[str, ...], str] = {}
    problems = []
    for case in corpus.entries.values():
        if not isinstance(case, Case) or case.spec.differs:
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
    texts = (*lines, case.spec.broken.says or "")
    return tuple(re.sub(r"\d+", "0", " ".join(text.split())) for text in texts)


def check(entry: Entry) -> list[Problem]:
    """Return what one entry's programs do that the contract forbids."""
    if not isinstance(entry, Case):
        return _problems(entry.id, "controls", _check_program(entry.source))
    problems = [
        *_problems(entry.id, "cases", _check_program(entry.broken)),
        *_problems(entry.id, "fixes", _check_program(entry.fixed)),
    ]
    if not problems:
        problems += _problems(entry.id, "fixes", _check_pair(entry))
        problems += _problems(entry.id, "cases", _check_fragments(entry), ".toml")
    return problems


def _problems(name: str, tree: str, messages: list[str], suffix: str = ".py") -> list[Problem]:
    return [Problem(name, f"{tree}/{name}{suffix}", message) for message in messages]


def _check_program(source: str) -> list[str]:
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        return [f"line {error.lineno} is no Python ({error.msg}): correct the syntax"]
    messages = [*_check_text(source), *_check_shape(module)]
    for node in ast.walk(module):
        messages += _check_imports(node)
        messages += _check_names(node)
        if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation:
            messages.append(f"line {node.lineno} has an annotation: remove it")
        if isinstance(node, ast.FunctionDef) and node.returns:
            messages.append(f"line {node.lineno} has an annotation: remove it")
    return messages


def _check_text(source: str) -> list[str]:
    messages = [
        f"line {token.start[0]} has a comment: remove it, the .toml is the answer key"
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    length = len(source.splitlines())
    if length > LINE_LIMIT:
        messages.append(f"has {length} lines: shorten it to {LINE_LIMIT}")
    return messages


def _check_shape(module: ast.Module) -> list[str]:
    messages = []
    intent = ast.get_docstring(module) or ""
    if not intent or "\n" in intent:
        messages.append("needs a docstring of one line that says what the network is for")
    nets = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Net"]
    if not nets:
        messages.append("has no `class Net(nn.Module)`: add it")
    makers = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    if "example_inputs" not in makers:
        messages.append("has no `example_inputs(batch_size=N)`: add it")
    messages += [
        f"`{name}` must take one argument, `batch_size=N`"
        for name in ("example_inputs", "example_targets")
        if name in makers and not _takes_batch_size(makers[name])
    ]
    last = module.body[-1] if module.body else None
    guarded = isinstance(last, ast.If) and ast.unparse(last).startswith(GUARD)
    if not guarded or len(ast.unparse(module.body[-1]).splitlines()) != 2:  # noqa: PLR2004  (its lines)
        messages.append(f"must end with a main guard of two lines: {GUARD} and a call")
    return messages


def _takes_batch_size(function: ast.FunctionDef) -> bool:
    arguments = function.args
    names = [argument.arg for argument in arguments.args]
    return names == ["batch_size"] and len(arguments.defaults) == 1


def _check_imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
    else:
        return []
    allowed = (LIBRARIES | sys.stdlib_module_names) - {"warnings"}  # none may be silenced
    return [
        f"line {node.lineno} imports {module}: only the standard library without "
        f"`warnings`, and {', '.join(sorted(LIBRARIES))}, may be imported"
        for module in modules
        if module.partition(".")[0] not in allowed
    ]


def forbidden_imports(tree: ast.AST) -> list[str]:
    """Return a sentence for each import of what a program may not use."""
    return [message for node in ast.walk(tree) for message in _check_imports(node)]


def _check_names(node: ast.AST) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        words = node.name
    elif isinstance(node, ast.arg):
        words = node.arg
    elif isinstance(node, ast.alias):
        words = node.asname or ""
    elif isinstance(node, ast.Name):
        words = node.id if isinstance(node.ctx, ast.Store) else ""
    elif isinstance(node, ast.Attribute):
        words = node.attr if isinstance(node.ctx, ast.Store) else ""
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        words = node.value
    else:
        return []
    parts = re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", words).lower())
    line = getattr(node, "lineno", 0)
    return [
        f"line {line} says {part!r}, which gives the answer away: choose a neutral word"
        for part in dict.fromkeys(parts)
        if GIVEAWAYS.fullmatch(part)
    ]


def _check_pair(case: Case) -> list[str]:
    messages = []
    changed = hunks(case.broken, case.fixed)
    size = sum(hunk.size for hunk in changed)
    if not size:
        messages.append("is the same as the case: change what mends it")
    if size > DIFF_LIMIT:
        messages.append(f"changes {size} lines of the case: keep to {DIFF_LIMIT}")
    if ast.get_docstring(ast.parse(case.broken)) != ast.get_docstring(ast.parse(case.fixed)):
        messages.append("has another docstring than the case: both state the same intent")
    return messages


def _check_fragments(case: Case) -> list[str]:
    """Refuse source text in the `.toml` that the case does not contain."""
    folded = " ".join(case.broken.split())
    places = {f"also[{index}]": text for index, text in enumerate(case.spec.also)}
    if case.spec.broken.at:
        places["broken.at"] = case.spec.broken.at
    if case.spec.broken.cuda and case.spec.broken.cuda.at:
        places["broken.cuda.at"] = case.spec.broken.cuda.at
    return [
        f"key `{key}`: {text!r} is nowhere in the case: copy it from there"
        for key, text in places.items()
        if " ".join(text.split()) not in folded
    ]


def unformatted(corpus: Corpus) -> list[Problem]:
    """Return the programs that `ruff format` would change.

    Raises FileNotFoundError where ruff is not installed, and RuntimeError where it fails:
    nothing was checked then.
    """
    ruff = shutil.which("ruff", path=sysconfig.get_path("scripts")) or shutil.which("ruff")
    if ruff is None:  # never so in `nox -s lint`
        message = "formatting was not checked: ruff is not installed (pip install ruff)"
        raise FileNotFoundError(message)
    trees = [str(corpus.root / tree) for tree in TREES if (corpus.root / tree).is_dir()]
    command = [ruff, "format", "--check", "--isolated", "--no-cache", "--output-format=json"]
    done = subprocess.run([*command, *trees], capture_output=True, text=True, check=False)
    try:
        files = {Path(item["filename"]).resolve() for item in json.loads(done.stdout)}
    except (json.JSONDecodeError, KeyError, TypeError):
        message = f"formatting was not checked: ruff says {done.stderr.strip()!r}"
        raise RuntimeError(message) from None
    names = sorted(file.relative_to(corpus.root.resolve()) for file in files)
    return [
        Problem(
            Path(*name.parts[1:]).with_suffix("").as_posix(),
            name.as_posix(),
            "is not formatted: run `ruff format`",
        )
        for name in names
    ]
