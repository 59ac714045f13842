"""An isolated program sees Python and its own folder, and reaches neither files nor neighbors."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from broken_convnets.sandbox import landlock, private_network
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Job, JobStatus, Limits
from broken_convnets.sandbox.readable import readable
from isolation_jobs import Ended, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

ABI = landlock.abi() if sys.platform == "linux" else 0
needs_landlock = pytest.mark.skipif(not ABI, reason="this kernel offers no Landlock")
needs_scopes = pytest.mark.skipif(
    landlock.SCOPES_ABI > ABI, reason="this kernel's Landlock does not confine signals"
)
needs_namespaces = pytest.mark.skipif(
    sys.platform != "linux" or private_network.create() is None,
    reason="this system offers no network namespaces",
)

OF_FILES = [
    *("read", "list", "read_through_a_link", "read_in_a_subprocess", "link_hard"),
    *("write", "write_beside", "delete"),
]
OF_PROCESSES = ["cmdline", "environ", "maps", "mem", "status", "trace", "read_memory"]
OF_ROOT = ["mount", "change_root"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    hidden = str(tmp_path_factory.getbasetemp())
    with ForkServer(Limits(workers=2, hidden=[hidden])) as runner:
        yield runner


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "cases" / "secret.toml"
    file.parent.mkdir()
    file.write_text("the answer", encoding="utf-8")
    return file


def _tried(runner: ForkServer, target: Target, *, isolated: bool = True) -> str:
    job = Job(0, "isolation_jobs:attempt", target, isolated)
    (result,) = runner.run([job], Ended)
    assert result.answer, result.detail
    return result.answer.how


@needs_landlock
@pytest.mark.parametrize("name", OF_FILES)
def test_files_of_others_are_out_of_reach(name: str, sandbox: ForkServer, secret: Path) -> None:
    path = str(secret.parent if name == "list" else secret)
    how = {"link_hard": "OSError", "read_in_a_subprocess": "CalledProcessError"}  # EXDEV; exit 1
    assert _tried(sandbox, Target(name, path)) == how.get(name, "PermissionError")
    assert secret.read_text(encoding="utf-8") == "the answer"
    assert [file.name for file in secret.parent.iterdir()] == ["secret.toml"]


@pytest.mark.parametrize("name", OF_FILES)
def test_trusted_code_reaches_all_files(name: str, sandbox: ForkServer, secret: Path) -> None:
    path = str(secret.parent if name == "list" else secret)
    assert _tried(sandbox, Target(name, path), isolated=False) == "done"


@needs_landlock
def test_folders_of_neighbors_are_out_of_reach(sandbox: ForkServer) -> None:
    assert _tried(sandbox, Target("delete_neighbours")) == "PermissionError"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux isolates programs")
def test_a_file_is_limited_in_size(sandbox: ForkServer) -> None:
    assert _tried(sandbox, Target("fill_the_disk")) == "OSError"
    assert _tried(sandbox, Target("fill_the_disk"), isolated=False) == "done"


@needs_landlock
@pytest.mark.parametrize("path", ["/proc", "/dev/shm", "/", "/root", "/home", "/etc/shadow"])  # noqa: S108  (not written)
def test_the_rest_of_the_system_is_not_listed(path: str, sandbox: ForkServer) -> None:
    name = "list" if Path(path).is_dir() else "read"
    assert _tried(sandbox, Target(name, path)) == "PermissionError"


@needs_landlock
@pytest.mark.parametrize("name", OF_PROCESSES)
def test_memory_and_command_line_of_other_processes_are_out_of_reach(
    name: str, sandbox: ForkServer
) -> None:
    assert _tried(sandbox, Target(name, pid=os.getpid())) == "PermissionError"


@pytest.mark.parametrize("name", ["cmdline", "status"])
def test_trusted_code_looks_at_other_processes(name: str, sandbox: ForkServer) -> None:
    assert _tried(sandbox, Target(name, pid=os.getpid()), isolated=False) == "done"


@needs_scopes
@pytest.mark.parametrize("name", ["kill", "kill_by_descriptor"])
def test_other_processes_cannot_be_signaled(name: str, sandbox: ForkServer) -> None:
    assert _tried(sandbox, Target(name, pid=os.getpid())) == "PermissionError"
    assert _tried(sandbox, Target(name, pid=os.getpid()), isolated=False) == "done"


@needs_landlock
def test_limits_of_other_processes_cannot_be_set(sandbox: ForkServer) -> None:
    assert _tried(sandbox, Target("limit", pid=os.getpid())) == "PermissionError"
    assert _tried(sandbox, Target("limit", pid=0)) == "done"


@needs_namespaces
def test_the_network_is_out_of_reach(sandbox: ForkServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Target("connect", port=server.getsockname()[1])
        assert _tried(sandbox, target) == "ConnectionRefusedError"
        assert _tried(sandbox, target, isolated=False) == "done"
    assert _tried(sandbox, Target("send_datagram")) == "OSError"


@needs_scopes
def test_abstract_sockets_of_other_processes_are_out_of_reach(sandbox: ForkServer) -> None:
    name = f"broken-convnets-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        target = Target("connect_abstract", path=name)
        assert _tried(sandbox, target) in {"PermissionError", "ConnectionRefusedError"}
        assert _tried(sandbox, target, isolated=False) == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux isolates programs")
@pytest.mark.parametrize("name", OF_ROOT)
def test_root_has_no_more_rights_than_others(name: str, sandbox: ForkServer) -> None:
    assert _tried(sandbox, Target(name)) == "PermissionError"


def test_what_healthy_programs_need_works(sandbox: ForkServer) -> None:
    (result,) = sandbox.run([Job(0, "isolation_jobs:everything_needed", Target(""))], Ended)
    assert (result.status, result.answer) == (JobStatus.DONE, Ended("done")), result.detail


def test_a_runner_says_how_it_isolates(sandbox: ForkServer) -> None:
    assert sandbox.isolation.startswith("a fork per program, ")
    with ForkServer(Limits(isolate=False)) as runner:
        assert runner.isolation == "a fork per program"


# What may be read.


@needs_landlock
def test_a_large_environment_around_a_hidden_folder_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled/secret.py").touch()
    for number in range(2_000):  # more than a process may open
        (tmp_path / f"module_{number}.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with ForkServer(Limits(hidden=[str(tmp_path / "bundled")])) as runner:
        assert _tried(runner, Target("read", str(tmp_path / "module_1999.py"))) == "done"
        assert _tried(runner, Target("list", str(tmp_path / "bundled"))) == "done"  # names only
        hidden = Target("read", str(tmp_path / "bundled/secret.py"))
        assert _tried(runner, hidden) == "PermissionError"


def test_a_hidden_folder_within_a_library_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("package/module.py", "package/bundled/cases/x.toml", "other.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.syspath_prepend(tmp_path)
    whole, listed = readable([str(tmp_path / "package/bundled")])
    assert {path for path in whole if tmp_path in path.parents} == {
        tmp_path / "package/module.py",
        tmp_path / "other.py",
    }
    assert [path for path in listed if path == tmp_path or tmp_path in path.parents] == [
        tmp_path,
        tmp_path / "package",
    ]


def test_a_library_within_a_hidden_folder_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "harness").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "harness")
    whole, listed = readable([str(tmp_path)])
    assert tmp_path / "harness" in whole
    assert tmp_path not in [*whole, *listed]


def test_the_hidden_folder_itself_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    assert tmp_path in readable([])[0]
    whole, listed = readable([str(tmp_path)])
    assert tmp_path not in [*whole, *listed]
