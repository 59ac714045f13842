"""Datasets whose files are in a temporary folder, which is gone when the program ends."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from broken_convnets.observe.recorder import removed_folders
from broken_convnets.observe.recorder.removed_folders import keep, restored
from rule_checks import ProgramChecks

if TYPE_CHECKING:
    from pathlib import Path

MARK = "  # cause"
MASKS = """
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset

class Masks(Dataset):
    def __init__(self, folder):
        self.names = sorted(Path(folder).glob("*.png"))

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        mask = Image.open(self.names[index])
        mask = mask.resize((9, 9), Image.Resampling.{kind})
        mask = torch.from_numpy(np.array(mask)).long()
        return mask[None].float().repeat(3, 1, 1), mask

def train(folder):
    stripes = np.repeat(np.array([0, 2, 3, 0], np.uint8), 5)[:, None].repeat(20, 1)
    for number in range(4):
        Image.fromarray(stripes).save(Path(folder) / f"{{number}}.png")
    net = nn.Conv2d(3, 4, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for x, y in DataLoader(Masks(folder), batch_size=2, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

"""
WITH = "with tempfile.TemporaryDirectory() as folder:\n    train(folder)\n"
REMOVED = "import shutil\nfolder = tempfile.mkdtemp()\ntrain(folder)\nshutil.rmtree(folder)\n"
BROKEN = {
    "mask_classes_blended": MASKS.format(kind="BILINEAR").replace("BILINEAR)", f"BILINEAR){MARK}")
    + WITH,
    "mask_classes_blended.removed": MASKS.format(kind="BICUBIC").replace(
        "BICUBIC)", f"BICUBIC){MARK}"
    )
    + REMOVED,
}
KINDS = {"mask_classes_blended": "data/mask_interpolation"}
HEALTHY = {"nearest": MASKS.format(kind="NEAREST") + WITH}


class TestPrograms(ProgramChecks):
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    (made / "masks").mkdir(parents=True)
    (made / "masks" / "0.txt").write_text("0")
    return made


def test_a_removed_folder_is_there_inside_the_block_only(folder: Path) -> None:
    kept = keep(folder)
    shutil.rmtree(folder)
    with restored(kept):
        assert (folder / "masks" / "0.txt").read_text() == "0"
    assert not list(folder.parent.iterdir())


def test_a_folder_that_the_program_made_again_is_left_alone(folder: Path) -> None:
    kept = keep(folder)
    (folder / "new.txt").write_text("new")
    with restored(kept):
        assert (folder / "new.txt").exists()
    assert [one.name for one in folder.parent.iterdir()] == ["data"]
    assert (folder / "new.txt").exists()


def test_a_folder_of_many_files_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removed_folders, "FILES", 0)
    assert removed_folders.keep(folder) == []
    assert [one.name for one in folder.parent.iterdir()] == ["data"]
