"""The project's commands, each with the environment it needs: `nox -s reproduce`."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["reproduce", "tests", "slow_tests", "lint"]

ROOT = Path(__file__).parent
OWNER = "torch"
TOOLS = ROOT / "requirements/tools"  # a file of pinned requirements for each tool to install
# These run inside the environment with torch.
OVERLAYS = {"inspect", "jaxtyping", "lightning", "torch_audit", "torchtest2", "torchtyc"}
INTEGRATIONS = {  # a file of pinned requirements: the modules that test with them
    "lightning": ["tests/lightning_callback.py"],
    "inspect": ["tests/inspect_repair.py", "tests/parquet_export.py"],
}
PARALLEL = (  # a module of tests stays in one process, which runs its fixtures once
    "--numprocesses=logical",
    "--maxprocesses=4",
    "--dist=loadfile",
    "--no-loadscope-reorder",  # tests/conftest.py puts the longest modules first
)
# The caller's modules stay out, and the hundreds of interpreters that tests start find bytecode.
UNSET = {"PYTHONPATH": None, "PYTHONDONTWRITEBYTECODE": None}
BROWSERS = ("chromium", "chromium-browser")
GITHUB_FILES = {  # a schema that check-jsonschema contains: the files that must obey it
    "github-workflows": ".github/workflows/*.yml",
    "github-issue-forms": ".github/ISSUE_TEMPLATE/*_*.yml",
    "github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "dependabot": ".github/dependabot.yml",
    "citation-file-format": "CITATION.cff",
}
RELEASES = {  # of torch, with the other requirements of each
    "2.15.0": ["torchvision==0.29.2"],
    "2.13.0": ["torchvision==0.28.0"],
    "2.9.1": ["torchvision==0.24.1"],
    "2.6.0": ["torchvision==0.21.0"],
    "2.2.2": ["torchvision==0.17.2", "numpy<2"],
}


@nox.session(name=OWNER, default=False)
def torch_environment(session: nox.Session) -> None:
    """Create the environment with torch (over 5 GB), which the other sessions share."""
    stamp = Path(session.virtualenv.location) / "installed"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        session.log("up to date with pyproject.toml")
        return
    stamp.unlink(missing_ok=True)
    session.install("-e", ".[torch]", *_group("recorded", "test"))
    stamp.write_text(wanted)


def _group(*names: str) -> tuple[str, ...]:
    """Return the requirements of dependency groups in pyproject.toml."""
    return nox.project.dependency_groups(nox.project.load_toml(), *names)


def _borrow(session: nox.Session, *arguments: str, **env: str) -> None:
    """Run the interpreter of the shared environment, without the variables in UNSET."""
    folder = ROOT / ".nox" / OWNER
    python = next(
        path for path in (folder / "bin/python", folder / "Scripts/python.exe") if path.exists()
    )
    session.run(python, *arguments, external=True, env={**UNSET, **env})


@nox.session(venv_backend="none", requires=[OWNER])
def reproduce(session: nox.Session) -> None:
    """Verify the corpus: `nox -s reproduce -- none/missing_return --device cpu`."""
    _borrow(session, "-m", "broken_convnets", "reproduce", *session.posargs)


@nox.session(venv_backend="none", requires=[OWNER])
def tests(session: nox.Session) -> None:
    """Test the harness, on up to 4 cores: `nox -s tests -- -k runner`, or `-- -n 0` for one."""
    _borrow(session, "-m", "pytest", *PARALLEL, "-m", "not slow", *session.posargs)
    session.log("tests marked `slow` did not run; to run them: nox -s slow_tests")


@nox.session(venv_backend="none", requires=[OWNER])
def slow_tests(session: nox.Session) -> None:
    """Test every entry of the corpus, and the wheel: what is marked `slow`, in minutes."""
    _borrow(session, "-m", "pytest", *PARALLEL, "-m", "slow", *session.posargs)


@nox.session(venv_backend="none", default=False, requires=[OWNER])
def gates(session: nox.Session) -> None:
    """Check what `diagnose` finds in broken programs, and its false alarms on healthy ones."""
    _borrow(session, "-m", "pytest", "tests/diagnose/gates.py", *session.posargs)


@nox.session(venv_backend="none", requires=[OWNER])
def cost(session: nox.Session) -> None:
    """Count operators and memory of forward passes; fail if they differ from the baseline."""
    _borrow(session, "-m", "broken_convnets", "cost", *session.posargs)


@nox.session(venv_backend="none", requires=[OWNER])
def bench(session: nox.Session) -> None:
    """Time the forward pass of every fix, and save the times in results/timing/."""
    store = ["--benchmark-storage=file://./results/timing", "--benchmark-save=forward"]
    short = ["--benchmark-max-time=0.2", "--benchmark-columns=median,iqr,rounds"]
    _borrow(
        session, "-m", "pytest", "experiments/bench_forward.py", *store, *short, *session.posargs
    )


@nox.session(venv_backend="none", requires=[OWNER])
def selfcheck(session: nox.Session) -> None:
    """Measure the overhead of the harness, and of a trace over the plain forward pass."""
    _borrow(session, "-m", "experiments.measure_harness", *session.posargs)
    _borrow(session, "experiments/measure_trace.py")


@nox.session(default=False)
@nox.parametrize("torch", list(RELEASES))
def matrix(session: nox.Session, torch: str) -> None:
    """Record the corpus under another release: `nox -s "matrix(torch='2.9.1')"`, 5 to 7 GB."""
    # `===` matches the exact string, and so excludes local builds such as 2.13.0+cpu.
    session.install("-e", ".[torch]", f"torch==={torch}", *RELEASES[torch])
    session.run("python", "-m", "broken_convnets", "reproduce", "--update", *session.posargs)
    session.run("python", "-m", "broken_convnets", "cost", "--update")


@nox.session(venv_backend="none", default=False, requires=[OWNER])
def tools(session: nox.Session) -> None:
    """Score diagnostic tools, all or some: `nox -s tools -- ruff pyrefly --both-sides`."""
    _with_tools(session, "broken_convnets", "score")


@nox.session(venv_backend="none", default=False, requires=[OWNER])
def wild_scores(session: nox.Session) -> None:
    """Score tools on programs made from real models: `-- ruff pyrefly --seed 7 --tree DIR`."""
    _with_tools(session, "experiments.measure_wild_scores")


def _with_tools(session: nox.Session, *module: str) -> None:
    """Run a module with the tools that are named, by default all, each where it is installed."""
    bundled = sorted(
        path.stem
        for path in (ROOT / "harness/broken_convnets/commands/score/adapters").glob("[!_]*.py")
    )
    named = list(itertools.takewhile(lambda word: not word.startswith("-"), session.posargs))
    if unknown := sorted(set(named) - set(bundled)):
        session.error(f"unknown tool {', '.join(unknown)}: choose from {', '.join(bundled)}")
    chosen, options = named or bundled, session.posargs[len(named) :]
    apart = [name for name in chosen if (TOOLS / f"{name}.txt").is_file()]
    if together := [name for name in chosen if name not in apart]:
        _borrow(session, "-m", *module, *together, *options)
    for name in apart:
        env = _environment_of(session, TOOLS / f"{name}.txt")
        _borrow(session, "-m", *module, name, *options, **env)


@nox.session(venv_backend="none", default=False, requires=[OWNER])
def integrations(session: nox.Session) -> None:
    """Test what other libraries call, with each real library in an environment of its own."""
    for name, modules in INTEGRATIONS.items():
        env = _environment_of(session, ROOT / f"requirements/{name}.txt")
        _borrow(session, "-m", "pytest", *modules, *session.posargs, **env)


def _environment_of(session: nox.Session, lock: Path) -> dict[str, str]:
    """Install pinned requirements in an environment of their own; return its variables.

    With `--no-deps`, because the file pins all dependencies, and some would install a second
    torch.
    """
    name, folder = lock.stem, ROOT / ".nox" / f"tools-{lock.stem}"
    programs, overlay = folder / ("Scripts" if os.name == "nt" else "bin"), folder / "overlay"
    stamp, wanted = folder / "installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        session.run(sys.executable, "-m", "virtualenv", "--clear", str(folder), external=True)
        target = ["--target", str(overlay)] if name in OVERLAYS else []
        session.run(
            str(programs / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            *target,
            "-r",
            str(lock),
            external=True,
        )
        stamp.write_text(wanted)
    if name in OVERLAYS:
        return {"PYTHONPATH": str(overlay)}
    return {"PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])}


@nox.session(default=False)
def site(session: nox.Session) -> None:
    """Write the corpus and its results as static web pages; needs no torch."""
    session.install("-e", ".")
    session.run("python", "-m", "broken_convnets", "site", *session.posargs)


@nox.session(default=False)
def site_tests(session: nox.Session) -> None:
    """Test the pages in a browser: needs `chromium` on the PATH, and no torch."""
    if not any(map(shutil.which, BROWSERS)):
        session.error("chromium is not on the PATH: install it with `apt-get install chromium`")
    session.install("-e", ".", *_group("browser"))
    session.run("python", "-m", "pytest", "tests/browser_site.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and the corpus files; needs no torch."""
    session.install("-e", ".", *_group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("python", "-m", "broken_convnets", "lint", env={"NO_COLOR": "1"})
    session.run("python", "-m", "broken_convnets", "coverage")
    for schema, files in GITHUB_FILES.items():
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *_found(files))


def _found(pattern: str) -> list[str]:
    """Return the project's files of a pattern; there must be some."""
    files = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))
    if not files:
        message = f"no file matches {pattern}"
        raise FileNotFoundError(message)
    return files


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """Build the sdist and the wheel in dist/, and check what PyPI would refuse; needs no torch."""
    session.install(*_group("package"))
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *_found("dist/*"))


if __name__ == "__main__":
    os.chdir(ROOT)
    nox.main()
