"""The bundled tools: their diagnoses of small programs, and how they parse other tools' output."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from broken_convnets.commands.score.adapters import (
    _kinds,
    jaxtyping,
    pylint,
    pyrefly,
    pyright,
    ruff,
    torch_audit,
    torch_preflight,
    torchtest2,
    torchtyc,
)
from broken_convnets.commands.score.kinds import known_kinds
from broken_convnets.commands.score.programs.annotate import (
    AnnotationError,
    annotate,
)
from broken_convnets.commands.score.programs.patch import apply_patch
from broken_convnets.commands.score.protocol.messages import (
    LocationRole,
    ProgramNames,
    Request,
    Severity,
    Status,
)
from broken_convnets.commands.score.registry import bundled_tools
from broken_convnets.corpus import entries as corpora
from forks import Call, call
from kit import BROKEN, HEALTHY, RAISES, TRAINED, doing, patched, put

if TYPE_CHECKING:
    from types import ModuleType

    from broken_convnets.commands.score.adapters._opened import OpenedProgram
    from broken_convnets.commands.score.adapters._static import StaticTool
    from broken_convnets.commands.score.protocol.messages import Diagnosis
    from broken_convnets.commands.score.protocol.tool import Tool

ROOT = Path(__file__).parent.parent
STATIC = [
    ruff.Ruff,
    pylint.Pylint,
    pyright.Pyright,
    pyrefly.Pyrefly,
    torch_preflight.TorchPreflight,
]

TABLES = (ruff, pylint, pyright, pyrefly, torch_preflight, torch_audit, torchtest2)

NO_BUILD = patched(("nn.Conv2d(2, 4, kernel_size=3)", "nn.Conv2d(2, 4, kernel=3)"))
FIXED_BATCH = patched(("torch.flatten(x, 1)", "x.view(4, 16)"))
BRANCHES = doing("if x.sum() > 0:", "    x = x + 1")
READS = doing("x = x * x.sum().item()")
BREAKS = doing("torch._dynamo.graph_break()")
NAN = doing("x = torch.sqrt(x * 0 * torch.ones(1, requires_grad=True))", source=TRAINED)
STALE = patched(
    (
        "    loss = nn.functional.cross_entropy(net(x), labels)\n    loss.backward()\n",
        (
            "    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
            "    for _ in range(3):\n"
            "        loss = nn.functional.cross_entropy(net(x), labels)\n"
            "        loss.backward()\n"
            "        optimizer.step()\n"
        ),
    ),
    ("Net()(*example_inputs())", "run(Net(), *example_inputs(), *example_targets())"),
    source=TRAINED,
)
PASTED = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x64 and 16x10)"

QUESTIONS = {
    "traceback broken": ("traceback", BROKEN, None),
    "traceback healthy": ("traceback", HEALTHY, None),
    "traceback no_build": ("traceback", NO_BUILD, None),
    "anomaly nan": ("anomaly", NAN, None),
    "anomaly healthy": ("anomaly", TRAINED, None),
    "anomaly no_build": ("anomaly", NO_BUILD, None),
    "export fixed_batch": ("export", FIXED_BATCH, None),
    "export broken": ("export", BROKEN, None),
    "export healthy": ("export", HEALTHY, None),
    "export breaks": ("export", BREAKS, None),
    "draft_export fixed_batch": ("draft_export", FIXED_BATCH, None),
    "draft_export healthy": ("draft_export", HEALTHY, None),
    "shapeprop broken": ("shapeprop", BROKEN, None),
    "shapeprop healthy": ("shapeprop", HEALTHY, None),
    "shapeprop branches": ("shapeprop", BRANCHES, None),
    "fake broken": ("fake", BROKEN, None),
    "fake healthy": ("fake", HEALTHY, None),
    "fake reads": ("fake", READS, None),
    "explain pasted": ("explain", BROKEN, PASTED),
    "explain foreign": ("explain", BROKEN, "SomeError: unheard of"),
    "explain nothing": ("explain", HEALTHY, ""),
    "diagnose broken": ("diagnose", BROKEN, None),
    "diagnose healthy": ("diagnose", HEALTHY, None),
    "diagnose stale": ("diagnose", STALE, None),
}


@cache
def answers() -> dict[str, dict[str, Any]]:
    questions = [
        {"tool": tool, "source": source, "traceback": text}
        for tool, source, text in QUESTIONS.values()
    ]
    with TemporaryDirectory() as folder:
        put(Path(folder, "in"), json.dumps(questions))
        (done,) = call(Call("ask_adapters:main", Path(folder)))
    assert done.code == 0, done.err
    return dict(zip(QUESTIONS, json.loads(done.out), strict=True))


def line_of(text: str, source: str) -> int:
    return source[: source.index(text)].count("\n") + 1


@pytest.mark.parametrize("name", [n for n in QUESTIONS if n.endswith("healthy")])
def test_a_healthy_program_is_clean(name: str) -> None:
    assert answers()[name]["status"] == "clean", answers()[name]
    assert not answers()[name]["findings"]


@pytest.mark.parametrize("tool", ["traceback", "shapeprop", "fake"])
def test_the_line_the_layer_and_the_kind_of_a_failure(tool: str) -> None:
    diagnosis = answers()[f"{tool} broken"]
    assert diagnosis["status"] == "flagged", diagnosis
    found = diagnosis["findings"][0]
    assert found["location"]["line"] == line_of(RAISES, BROKEN)
    assert found["location"]["role"] == "symptom"
    assert found["module"] == "fc"
    assert found["kind"].startswith("shape/")
    assert "cannot be multiplied" in found["message"] or "reduction dim" in found["message"]


def test_export_reports_the_line_that_dynamo_interpreted() -> None:
    found = answers()["export broken"]["findings"][0]
    assert found["location"]["line"] == line_of(RAISES, BROKEN)
    assert found["kind"] == "shape/linear_in_features"


@pytest.mark.parametrize("tool", ["export", "draft_export"])
def test_a_hard_coded_batch_size_is_found_with_a_working_batch(tool: str) -> None:
    found = answers()[f"{tool} fixed_batch"]["findings"][0]
    assert found["kind"] == "shape/hardcoded_batch_size"
    assert found["location"]["line"] == line_of("x.view", FIXED_BATCH)
    assert found["location"]["role"] == "cause"


def test_anomaly_mode_reports_the_operation_that_returned_nan() -> None:
    diagnosis = answers()["anomaly nan"]
    assert diagnosis["status"] == "flagged", diagnosis
    assert diagnosis["findings"][0]["location"] == {
        "line": line_of("torch.sqrt", NAN),
        "role": "cause",
        "end_line": None,
        "column": None,
    }
    assert "returned nan values" in diagnosis["findings"][0]["message"]


@pytest.mark.parametrize("name", ["shapeprop branches", "fake reads", "export breaks"])
def test_a_tool_declines_what_it_cannot_examine(name: str) -> None:
    assert answers()[name]["status"] == "unsupported", answers()[name]
    assert answers()[name]["reason"]


def test_a_program_that_fails_before_the_tool_runs_is_an_error() -> None:
    diagnosis = answers()["anomaly no_build"]
    assert diagnosis["status"] == "error"
    assert diagnosis["reason"].startswith(
        "the program fails before the tool runs: build: TypeError"
    )
    assert answers()["traceback no_build"]["status"] == "flagged"


def test_explain_recognizes_a_message_or_reports_kind_other() -> None:
    assert answers()["explain pasted"]["findings"][0]["kind"].startswith("shape/")
    foreign = answers()["explain foreign"]
    assert (foreign["status"], foreign["findings"][0]["kind"]) == ("flagged", "other")
    assert answers()["explain nothing"]["status"] == "clean"


def test_diagnose_reports_a_silent_mistake_with_its_cause_and_a_fix() -> None:
    diagnosis = answers()["diagnose stale"]
    assert diagnosis["status"] == "flagged", diagnosis
    found = diagnosis["findings"][0]
    assert (found["kind"], found["location"]["role"]) == ("training/missing_zero_grad", "cause")
    fixed = apply_patch(found["fix"], STALE)
    assert "optimizer.zero_grad()" in fixed
    assert "optimizer.zero_grad()" not in STALE


def test_opening_every_tool_does_not_import_torch() -> None:
    code = (
        "import sys; from broken_convnets.commands.score.registry import bundled_tools, find_tool; "
        "[find_tool(name) for name in bundled_tools()]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    assert len(bundled_tools()) >= 15


def test_the_adapters_name_only_known_kinds() -> None:
    known = known_kinds(corpora.load(ROOT))
    tables = [
        _kinds.PATTERNS,
        *(module.KINDS for module in TABLES),
    ]
    used = {kind for table in tables for _, kind in table}
    assert used - known == set()


@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        (
            "RuntimeError",
            "expected input[4, 8, 8, 3] to have 3 channels, but got 8",
            "shape/nhwc_input",
        ),
        (
            "RuntimeError",
            "expected input[4, 1, 8, 8] to have 3 channels, but got 1",
            "shape/channels_mismatch",
        ),
        ("TypeError", "conv2d() - got (MaxPool2d, Parameter, int)", "none/module_not_called"),
        ("TypeError", "conv2d() - got (FakeTensor, Parameter, int)", "other"),
        ("KeyError", "'a'", "other"),
    ],
)
def test_kinds_of_messages(error: str, message: str, kind: str) -> None:
    assert _kinds.kind_of(error, message) == kind


def place(line: int, character: int) -> dict[str, int]:
    return {"line": line, "character": character}


CANNED: dict[type[StaticTool], tuple[str, int, str, Severity]] = {
    ruff.Ruff: (
        json.dumps(
            [
                {
                    "code": "RET503",
                    "filename": "FILE",
                    "message": "Missing explicit `return`",
                    "location": {"row": 14, "column": 9},
                    "end_location": {"row": 17, "column": 21},
                    "severity": "error",
                }
            ]
        ),
        14,
        "none/forward_conditional_return",
        Severity.ERROR,
    ),
    pylint.Pylint: (
        json.dumps(
            {
                "messages": [
                    {
                        "type": "warning",
                        "symbol": "super-init-not-called",
                        "absolutePath": "FILE",
                        "message": "__init__ method from base class 'Module' is not called",
                        "line": 8,
                        "column": 4,
                        "endLine": 8,
                        "endColumn": 16,
                    }
                ],
                "statistics": {},
            }
        ),
        8,
        "training/missing_super_init",
        Severity.WARNING,
    ),
    pyright.Pyright: (
        json.dumps(
            {
                "generalDiagnostics": [
                    {
                        "file": "FILE",
                        "severity": "error",
                        "rule": "reportOptionalCall",
                        "message": 'Object of type "None" cannot be called',
                        "range": {"start": place(16, 12), "end": place(16, 20)},
                    }
                ]
            }
        ),
        17,
        "none/optional_layer_none",
        Severity.ERROR,
    ),
    pyrefly.Pyrefly: (
        json.dumps(
            {
                "errors": [
                    {
                        "line": 16,
                        "column": 24,
                        "stop_line": 16,
                        "stop_column": 44,
                        "path": "FILE",
                        "code": -2,
                        "name": "bad-argument-type",
                        "severity": "error",
                        "description": "",
                        "concise_description": "Argument `Tensor[[int, 64]]` is not assignable to "
                        "parameter `input` with type `Tensor[[*@_, 16]]` in function "
                        "`torch.nn.Linear.forward`",
                    }
                ]
            }
        ),
        16,
        "shape/linear_in_features",
        Severity.ERROR,
    ),
    torch_preflight.TorchPreflight: (
        json.dumps(
            {
                "version": 1,
                "failures": [],
                "diagnostics": [
                    {
                        "code": "TG003",
                        "message": "`.backward()` runs in this loop",
                        "severity": "error",
                        "path": "FILE",
                        "line": 20,
                        "column": 9,
                        "end_line": 20,
                        "end_column": 24,
                        "hint": None,
                        "fixable": False,
                        "fix": None,
                    }
                ],
            }
        ),
        20,
        "training/missing_zero_grad",
        Severity.ERROR,
    ),
}


@pytest.mark.parametrize("tool", STATIC)
def test_the_output_of_a_static_tool_is_parsed(tool: type[StaticTool]) -> None:
    out, line, kind, severity = CANNED[tool]
    (row,) = tool().parse(out)
    assert row.file == "FILE"
    assert row.finding.location is not None
    assert (row.finding.location.line, row.finding.kind, row.finding.severity) == (
        line,
        kind,
        severity,
    )
    assert row.finding.location.column is not None
    assert row.finding.location.column >= 1


@pytest.mark.parametrize("tool", STATIC)
def test_a_missing_executable_says_what_to_install(
    tool: type[StaticTool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert tool().missing().endswith(f"`nox -s tools -- {tool.lock}` installs it")
    assert (ROOT / "requirements/tools" / f"{tool.lock}.txt").is_file()


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, code: int) -> list[Request]:
    """Put a `ruff` on the PATH that prints `out`, and return two requests."""
    script = tmp_path / "ruff"
    script.write_text(f"#!{sys.executable}\nimport sys\nprint({out!r})\nsys.exit({code})\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return [
        Request(name, str(tmp_path / name / "net.py"), "", ProgramNames(), sys.executable, 60.0)
        for name in ("one", "two")
    ]


def test_findings_are_assigned_to_their_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = CANNED[ruff.Ruff][0].replace("FILE", str(tmp_path / "two" / "net.py"))
    requests = stand_in(tmp_path, monkeypatch, out, 1)
    one, two = ruff.Ruff().diagnose_all(requests)
    assert (one.status, two.status) == (Status.CLEAN, Status.FLAGGED)


@pytest.mark.parametrize(
    ("out", "code", "expected"),
    [
        ("not JSON", 0, "cannot parse the output of ruff"),
        ('[{"code": 1}]', 0, "cannot parse the output of ruff"),
        ("[]", 2, "ruff failed with exit code 2"),
    ],
)
def test_a_failing_tool_returns_an_error(
    out: str, code: int, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnosis = ruff.Ruff().diagnose_all(stand_in(tmp_path, monkeypatch, out, code))
    assert [answer.status for answer in diagnosis] == [Status.ERROR] * 2
    assert expected in diagnosis[0].reason


def tyc(state: str, *rows: dict[str, Any], reason: str = "") -> dict[str, Any]:
    return {
        "worker_error": None,
        "diagnostics": list(rows),
        "run_status": [{"state": state, "reason": reason}],
    }


RUN_ERROR = {
    "severity": "error",
    "rule": "run-error",
    "line": 17,
    "column": 4,
    "got": None,
    "hint": None,
    "message": "`linear` raised RuntimeError: mat1 and mat2 shapes cannot be multiplied",
}


def test_torchtyc_counts_lines_from_0_and_stops_without_an_error() -> None:
    diagnosis = torchtyc.parse(tyc("error", RUN_ERROR))
    assert diagnosis.status is Status.FLAGGED
    assert diagnosis.findings[0].location is not None
    assert (diagnosis.findings[0].location.line, diagnosis.findings[0].location.role) == (
        18,
        LocationRole.SYMPTOM,
    )
    assert diagnosis.findings[0].kind == "shape/linear_in_features"
    stopped = {**RUN_ERROR, "severity": "info", "rule": "run-stopped"}
    diagnosis = torchtyc.parse(tyc("stopped", stopped, reason="`.item()` needs a value"))
    assert (diagnosis.status, diagnosis.reason) == (
        Status.UNSUPPORTED,
        "stopped: `.item()` needs a value",
    )
    assert torchtyc.parse(tyc("completed")).status is Status.CLEAN
    assert torchtyc.parse({**tyc("error"), "worker_error": "died"}).status is Status.ERROR


@pytest.mark.parametrize(
    ("actual", "kind"),
    [
        ("f32[4,8,8,3](torch)", "shape/nhwc_input"),
        ("f32[4,1,8,8](torch)", "shape"),
        ("f64[4,3,8,8](torch)", "dtype/input_dtype"),
        ("u8[4,3,8,8](torch)", "dtype/uint8_input"),
        ("None", "none/forward_missing_return"),
    ],
)
def test_jaxtyping_names_the_kind_of_a_violation(actual: str, kind: str) -> None:
    expected = "<class 'Float32[Tensor, 'batch 3 8 8']'>"
    assert jaxtyping.kind(f"Actual value: {actual}\nExpected type: {expected}.") == kind


def test_broken_and_fixed_program_get_the_same_annotations() -> None:
    shapes = "float32[4, 2, 4, 4], scale=float", "float32[4, 5]"  # a keyword has no annotation
    broken, healthy = annotate(BROKEN, *shapes), annotate(HEALTHY, *shapes)
    signature = (
        '    def forward(self, x: _jaxtyping.Float32[_Tensor, "batch 2 4 4"])'
        ' -> _jaxtyping.Float32[_Tensor, "batch 5"]:'
    )
    for source, text in ((BROKEN, broken), (HEALTHY, healthy)):
        before, after = source.splitlines(), text.splitlines()
        assert len(before) == len(after)
        assert signature in after
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 2
        compile(text, "annotated", "exec")


def test_tuples_defaults_and_several_inputs_are_annotated() -> None:
    source = patched(("(self, x):", "(self, x, y=None, *, z=1):"))
    text = annotate(source, "int64[3], bool[3, 2]", "(float32[3], None)")
    assert 'y: _jaxtyping.Bool[_Tensor, "batch 2"] | None=None' in text
    assert '-> tuple[_jaxtyping.Float32[_Tensor, "batch"], None]:' in text


def test_a_program_without_forward_is_unchanged() -> None:
    source = patched(("def forward", "def farward"))
    assert annotate(source, "float32[4]", "float32[4]") == source


@pytest.mark.parametrize("text", ["float33[4]", "float32[4", "float32[4,3]", "Image", ""])
def test_an_invalid_description_is_rejected(text: str) -> None:
    with pytest.raises(AnnotationError, match="expected a description such as 'float32"):
        annotate(HEALTHY, "float32[4]", text)


def test_torchtest2_reports_failures_as_errors_and_warnings_as_warnings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = [SimpleNamespace(name="gradient_flow", message="1 parameter gets no gradient: fc")]
    warnings = [SimpleNamespace(name="gradient_magnitude", message="large gradients")]
    opened = cast("OpenedProgram", SimpleNamespace(net=None, inputs=()))

    def diagnosed(**report: Any) -> Diagnosis:
        fake = SimpleNamespace(check_model=lambda *_: SimpleNamespace(**report))
        monkeypatch.setitem(sys.modules, "torchtest2", cast("ModuleType", fake))
        return torchtest2.Torchtest2().examine(opened)

    flagged = diagnosed(failures=failures, warnings=warnings)
    assert flagged.status is Status.FLAGGED
    assert [(one.severity, one.kind, one.rule) for one in flagged.findings] == [
        (Severity.ERROR, "training/unused_layer", "gradient_flow"),
        (Severity.WARNING, "training", "gradient_magnitude"),
    ]
    assert diagnosed(failures=[], warnings=warnings).status is Status.CLEAN


def test_torchtest2_takes_the_kind_of_a_failed_forward_pass_from_its_message() -> None:
    result = SimpleNamespace(name="forward", message=f"forward raised {PASTED}")
    assert torchtest2.finding(result, Severity.ERROR).kind == "shape/linear_in_features"


def test_torch_audit_names_the_layer_and_the_severity() -> None:
    found = torch_audit.finding(
        SimpleNamespace(
            rule_id="TA500",
            message="Layer never ran",
            severity=SimpleNamespace(value="WARN"),
            module_path="fc",
        )
    )
    assert (found.module, found.severity, found.kind) == (
        "fc",
        Severity.WARNING,
        "training/unused_layer",
    )


@pytest.mark.parametrize("tool", [torch_audit.TorchAudit, torchtest2.Torchtest2])
def test_a_tool_that_is_not_installed_says_how_to_install_it(
    tool: type[Tool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "nox -s tools --" in tool().missing()
