"""The progress bar of a training."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import convert_inf


class ProgressBar(TQDMProgressBar):
    """Lightning's bar with rate and time left, and beside them the last epoch's metrics."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=10)

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        bar = self.train_progress_bar
        bar.reset()
        bar.total, bar.initial = convert_inf(self.total_train_batches), 0
        bar.set_description(f"Epoch {trainer.current_epoch + 1}")  # Lightning's counts from 0

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)  # the run id; its line is printed when the run ends
        return metrics
