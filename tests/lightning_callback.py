"""The callback for Lightning, with the real library: `nox -s integrations` installs it."""

from __future__ import annotations

import warnings
from typing import Any

import lightning
import pytest
import torch
from broken_convnets.lightning import Diagnose
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own


class Classifier(lightning.LightningModule):  # type: ignore[misc]  # not installed for mypy
    """`mistake` names what is wrong with it, if anything."""

    def __init__(self, mistake: str = "") -> None:
        super().__init__()
        self.mistake = mistake
        self.automatic_optimization = mistake != "stale"
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))

    def training_step(self, batch: Any) -> torch.Tensor:
        images, labels = batch
        if self.mistake == "shape":
            images = images[:, :, :5]
        loss = nn.functional.cross_entropy(self.net(images), labels)
        if not self.automatic_optimization:
            self.manual_backward(loss)
            self.optimizers().step()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _fit(mistake: str, tmp_path: Any) -> Diagnose:
    callback = Diagnose()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=[callback],
    )
    data = TensorDataset(torch.randn(12, 1, 6, 6), torch.arange(12) % 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(Classifier(mistake), DataLoader(data, batch_size=4, shuffle=True))
    return callback


def test_a_healthy_fit_has_no_finding(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    diagnosis = _fit("", tmp_path).diagnosis
    assert diagnosis is not None
    assert diagnosis.findings == []
    assert "nothing found" in capsys.readouterr().err


def test_a_silent_mistake_is_reported_at_the_end(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    diagnosis = _fit("stale", tmp_path).diagnosis
    assert diagnosis is not None
    assert [one.kind for one in diagnosis.errors] == ["training/missing_zero_grad"]
    assert capsys.readouterr().err.count("still holds the gradient") == 1


def test_an_exception_is_reported_and_raised(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        _fit("shape", tmp_path)
    assert "shapes cannot be multiplied" in capsys.readouterr().err
