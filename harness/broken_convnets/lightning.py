"""A callback for Lightning: `Trainer(callbacks=[Diagnose()])` reports what is wrong with a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:  # the older distribution of the same library
    from pytorch_lightning.callbacks import Callback

from broken_convnets.commands.diagnose.api import CodeDiagnosis

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class Diagnose(Callback):  # type: ignore[misc]  # lightning is not installed for mypy
    """Records `trainer.fit`, and prints the report at its end; `diagnosis` keeps it."""

    def __init__(self) -> None:
        """Start without a diagnosis."""
        self.diagnosis: CodeDiagnosis | None = None
        self._recording = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to record."""
        del trainer, pl_module
        self.diagnosis = CodeDiagnosis()
        self.diagnosis.recorder.__enter__()
        self._recording = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report."""
        del trainer, pl_module
        self._conclude(None)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Report, before Lightning raises the exception."""
        del trainer, pl_module
        self._conclude(exception)

    def _conclude(self, error: BaseException | None) -> None:
        if self.diagnosis is None or not self._recording:
            return
        self._recording = False
        self.diagnosis.recorder.__exit__(type(error) if error else None, error, None)
        self.diagnosis.conclude(error)
