"""jaxtyping with beartype: run the program while checking the annotated shapes of `forward`.

The annotations state the correct shapes, which users have to write themselves. Any other
exception is reported like a plain traceback.
"""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import version
from typing import TYPE_CHECKING

from msgspec.structs import replace

from broken_convnets.commands.score.adapters._opened import OpenedProgram, failed_before
from broken_convnets.commands.score.adapters._raised import (
    brief,
    exception_finding,
    unsupported_diagnosis,
)
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Need, Status
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import diagnosis_of

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Request

ACTUAL = re.compile(r"Actual value: '?(?P<dtype>\w+?)\[(?P<sizes>[\d,]*)\]")
EXPECTED = re.compile(r"Expected type: .*?(?P<dtype>[A-Z]\w+)\[\w+, ['\"](?P<sizes>[^'\"]*)")
NAMES = {"f": "Float", "bf": "BFloat", "i": "Int", "u": "UInt", "b": "Bool", "c": "Complex"}


class Jaxtyping(Tool):
    """jaxtyping's import hook with beartype, around the annotated program."""

    needs = frozenset({Need.ANNOTATIONS, Need.RUN})

    def missing(self) -> str:
        """Return what to install; empty if both packages are installed."""
        absent = [name for name in ("jaxtyping", "beartype") if not importlib.util.find_spec(name)]
        if not absent:
            return ""
        return (
            f"{' and '.join(absent)} cannot be imported: `nox -s tools -- jaxtyping` installs them"
        )

    def version(self) -> str:
        """Return the versions of both packages."""
        return ", ".join(f"{name} {version(name)}" for name in ("jaxtyping", "beartype"))

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the annotated program under the import hook."""
        if request.annotated is None:
            return Diagnosis(Status.UNSUPPORTED, reason="forward has no annotations")
        from jaxtyping import install_import_hook  # noqa: PLC0415  (an optional package)

        opened = OpenedProgram(request, request.annotated)
        with install_import_hook(opened.file.stem, "beartype.beartype"):
            try:
                opened.open()
            except Exception as error:  # noqa: BLE001  (the code of the program)
                return failed_before(opened, error)
        try:
            opened.run()
        except Exception as error:  # noqa: BLE001  (the code of the program)
            if "forward reference" in str(error):
                return unsupported_diagnosis(error)
            found = exception_finding(error, replace(request, file=str(opened.file)))
            return diagnosis_of([violation(found, str(error))])
        return Diagnosis(Status.CLEAN)


def violation(found: Finding, message: str) -> Finding:
    """Return the finding with the kind that a violated annotation indicates."""
    if found.rule != "TypeCheckError":
        return found
    lines = [line for line in message.splitlines() if line and not line.startswith("---")]
    kept = [line for line in lines if not line.startswith(("Called with", "Parameter ann"))]
    return replace(found, kind=kind(message), message=brief("\n".join(kept)))


def kind(message: str) -> str:
    """Return the kind of a violation: None, a dtype, the order of the axes, or a shape."""
    if "Actual value: None" in message or "NoneType" in message:
        return "none/forward_missing_return"
    actual, expected = ACTUAL.search(message), EXPECTED.search(message)
    if not actual or not expected:
        return "none/non_tensor_input" if not actual else "shape"
    letters = actual["dtype"].rstrip("0123456789")
    long = NAMES.get(letters, letters) + actual["dtype"][len(letters) :]
    if long != expected["dtype"]:
        return "dtype/uint8_input" if long == "UInt8" else "dtype/input_dtype"
    has, wants = actual["sizes"].split(","), expected["sizes"].split()
    if len(has) == len(wants) == 4 and [has[3], *has[1:3]] == wants[1:]:  # noqa: PLR2004  (NCHW)
        return "shape/nhwc_input"
    return "shape"


tool = Jaxtyping
