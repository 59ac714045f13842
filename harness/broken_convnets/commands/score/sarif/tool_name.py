"""Which tool wrote a SARIF log: the name and the version that the log states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.score.sarif.log import load

if TYPE_CHECKING:
    from pathlib import Path

VERSION_LIMIT = 80  # characters


def name_and_version(path: Path) -> tuple[str, str]:
    """Return name and version of the tool of the first run; empty if the log has no run.

    Raises UsageError if the file is not a SARIF 2.1.0 log.
    """
    runs = load(path).runs
    if not runs:
        return "", ""
    driver = runs[0].tool.driver
    version = driver.semantic_version or driver.version or ""
    return driver.name.strip(), " ".join(version.split())[:VERSION_LIMIT]
