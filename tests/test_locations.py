"""Results of an installed corpus are written to the user's data folder, others in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.corpus import locations
from kit import put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "site-packages/bundled"
    put(root / "results/torch-2.0/cpu.toml", "recorded")
    monkeypatch.setattr(locations, "BUNDLED", root)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return root


def test_a_corpus_of_the_user_is_read_and_written_in_place(bundled: Path, tmp_path: Path) -> None:
    assert locations.root_to_write(tmp_path) == tmp_path
    assert locations.results_to_write(tmp_path) == tmp_path / "results"
    assert locations.results_to_read(tmp_path) == tmp_path / "results"
    assert not (tmp_path / "data").exists()
    assert bundled.is_dir()


def test_the_bundled_results_are_read_until_something_is_written(bundled: Path) -> None:
    assert locations.results_to_read(bundled) == bundled / "results"


def test_the_first_write_copies_the_bundled_results(bundled: Path, tmp_path: Path) -> None:
    own = locations.results_to_write(bundled)
    assert own.is_relative_to(tmp_path / "data/broken-convnets")
    assert locations.results_to_read(bundled) == own
    assert (own / "torch-2.0/cpu.toml").read_text() == "recorded"
    assert list(own.parent.iterdir()) == [own]


def test_a_later_write_keeps_what_the_user_recorded(bundled: Path) -> None:
    put(locations.results_to_write(bundled) / "torch-2.0/cpu.toml", "mine")
    assert (locations.results_to_write(bundled) / "torch-2.0/cpu.toml").read_text() == "mine"
    assert (bundled / "results/torch-2.0/cpu.toml").read_text() == "recorded"


def test_a_failed_copy_leaves_nothing(bundled: Path, tmp_path: Path) -> None:
    put(tmp_path / "data", "a file")
    with pytest.raises(OSError, match="data"):
        locations.results_to_write(bundled)
    assert locations.results_to_read(bundled) == bundled / "results"


def test_without_xdg_data_home_the_folder_is_below_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locations.user_folder().is_relative_to(tmp_path / ".local/share/broken-convnets")
