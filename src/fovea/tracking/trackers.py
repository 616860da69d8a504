"""Where a run's curves are sent: Weights & Biases (offline unless asked), TensorBoard, or CSV."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from fovea.config.errors import ConfigError
from fovea.records import RunFolder


@dataclass(frozen=True)
class RunInfo:
    """What a tracker is told of a run when it starts."""

    folder: RunFolder
    name: str
    experiment: str | None
    tags: Sequence[str]
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a tracker is told of a run when it has been tested.

    Args:
        summary: the run's summary.
        classes: name of each output of the network.
        predictions, labels: int64, ``(N,)``, of the test part.
        pictures: some test images, uint8 ``(H, W, C)``, the first of the part.
    """

    summary: Mapping[str, Any]
    classes: Sequence[str]
    predictions: NDArray[np.int64]
    labels: NDArray[np.int64]
    pictures: Sequence[NDArray[np.uint8]] = field(default=())


@runtime_checkable
class Tracker(Protocol):
    """Starts a Lightning logger for a run and closes it, whatever happened in between."""

    def start(self, info: RunInfo) -> Logger:
        """Return a logger that knows nothing of the run yet: what an interrupted run left goes.

        It is told every epoch, those from before an interruption too.
        """
        ...

    def report(self, outcome: Outcome) -> None:
        """Add the results of a run that was trained and tested."""
        ...

    def finish(self, exit_code: int) -> None:
        """Close the run; not 0 records it as failed."""
        ...


class Wandb:
    """One W&B run per run, its id the run id, its group the experiment.

    Its config is the resolved one, as W&B's tables and parallel coordinates flatten it
    (``optimizer.lr``), and the options chosen (``choices.model``).

    Args:
        mode: ``offline`` writes below the run's folder; ``online`` also sends it to the server.
        project: W&B project.
        entity: W&B user or team; ``None`` is the account's default.
        tags: added to the names of the model and the data set.
    """

    def __init__(
        self,
        mode: Literal["offline", "online"] = "offline",
        project: str = "fovea",
        entity: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        self.mode: Literal["offline", "online"] = mode
        self.project = project
        self.entity = entity
        self.tags = list(tags)
        self._logger: WandbLogger | None = None

    def start(self, info: RunInfo) -> Logger:
        import wandb

        shutil.rmtree(info.folder.path / "wandb", ignore_errors=True)
        wandb.setup(wandb.Settings(silent=True))  # before anything is said
        self._logger = _ResumedWandbLogger(
            name=info.name,
            save_dir=str(info.folder.path),
            version=info.folder.id,
            project=self.project,
            entity=self.entity,
            group=info.experiment,
            job_type="train",
            tags=[*info.tags, *self.tags],
            config={**info.config, "choices": info.folder.summary.get("choices", {})},
            mode=self.mode,
            resume="allow",
            settings=wandb.Settings(silent=True, console="off", x_save_requirements=False),
        )
        try:
            self._logger.start()  # now, so that a run that fails early is there too
        except wandb.Error as error:
            raise ConfigError(
                f"tracking.mode={self.mode}: {' '.join(str(error).split())} "
                "(tracking.mode=offline needs neither account nor network)"
            ) from error
        return self._logger

    def report(self, outcome: Outcome) -> None:
        import wandb

        assert self._logger is not None
        run = self._logger.experiment
        classes = outcome.classes
        metrics = outcome.summary.get("metrics", {})
        run.summary.update(
            {key: value for key, value in outcome.summary.items() if key != "metrics"}
        )
        run.summary.update(metrics)
        shown = zip(outcome.pictures, outcome.labels, outcome.predictions, strict=False)
        pictures = [
            wandb.Image(image.squeeze(), caption=f"{classes[label]}, predicted {classes[guess]}")
            for image, label, guess in shown
        ]
        run.log(
            {
                "test/samples": pictures,
                "test/confusion": wandb.plot.confusion_matrix(
                    y_true=outcome.labels.tolist(),
                    preds=outcome.predictions.tolist(),
                    class_names=list(outcome.classes),
                ),
            }
        )

    def finish(self, exit_code: int) -> None:
        if self._logger is None:  # an interrupt may even have cut the import short
            return
        import wandb

        if wandb.run is not None:
            wandb.finish(exit_code=exit_code)


class _ResumedWandbLogger(WandbLogger):
    """A logger that does not tell the server again what it has of an earlier part of the run.

    The last epoch that is there may be there in part; it is told again whole.
    """

    _known_epochs = 0.0

    def start(self) -> None:
        run = self.experiment
        run.define_metric("*", step_metric="epoch")  # its curves are over epochs
        if run.resumed:
            self._known_epochs = run.summary.get("epoch", 0.0)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if metrics.get("epoch", self._known_epochs) >= self._known_epochs:
            super().log_metrics(metrics, step)


class _FileTracker:
    """A tracker whose logger needs no closing and shows curves only."""

    def report(self, outcome: Outcome) -> None:
        """Nothing more to add: the run's own record holds the rest."""

    def finish(self, exit_code: int) -> None:
        """Nothing to close: Lightning closes the logger with the training."""


class TensorBoard(_FileTracker):
    """TensorBoard event files in the run's folder; needs the extra ``fovea[tensorboard]``."""

    def start(self, info: RunInfo) -> Logger:
        shutil.rmtree(info.folder.path / "tensorboard", ignore_errors=True)
        try:
            return TensorBoardLogger(str(info.folder.path), name="tensorboard", version="")
        except ModuleNotFoundError as error:
            raise ConfigError(
                "tracking=tensorboard needs TensorBoard; install fovea[tensorboard]"
            ) from error


class Csv(_FileTracker):
    """Lightning's CSV logger in the run's folder."""

    def start(self, info: RunInfo) -> Logger:
        shutil.rmtree(info.folder.path / "csv", ignore_errors=True)
        return CSVLogger(str(info.folder.path), name="csv", version="")
