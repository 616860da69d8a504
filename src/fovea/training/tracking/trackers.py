"""Where a run's curves are sent: Weights & Biases (offline unless asked), or a Lightning logger."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pytorch_lightning.loggers import Logger, WandbLogger

from fovea.config.build import arguments, build, class_of
from fovea.config.errors import ConfigError
from fovea.config.printing import say
from fovea.config.types import WandbProject, WandbTag
from fovea.records import RunFolder

log = logging.getLogger(__name__)

_LONGEST_TAG = 64  # characters that W&B takes


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
        summary: what the run's summary says of its training and test.
        pictures: PNG files of its predictions, by name.
        samples: some test samples, uint8 ``(H, W, C)``, and what was predicted of each.
    """

    summary: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    samples: Sequence[tuple[NDArray[np.uint8], str]] = ()


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
    (``optimizer.lr``), and the options chosen (``choices.model``). W&B collects neither code nor
    git's state, whose remote may hold an access token. Server, account and proxy are those of the
    user's environment and home: W&B would also obey ``wandb/settings`` of the working folder.

    Args:
        mode: ``offline`` writes below the run's folder; ``online`` also sends it to the server. A
            run that cannot be started online is tracked offline, for ``fovea sync``.
        project: W&B project.
        entity: W&B user or team; ``None`` is the account's default.
        tags: added to the names of the model and the data set.
    """

    def __init__(
        self,
        mode: Literal["offline", "online"] = "offline",
        project: WandbProject = "fovea",
        entity: str | None = None,
        tags: Sequence[WandbTag] = (),
    ) -> None:
        self.mode: Literal["offline", "online"] = mode
        self.project = project
        self.entity = entity
        self.tags = list(tags)
        self._logger: WandbLogger | None = None

    def start(self, info: RunInfo) -> Logger:
        import wandb

        info.folder.discard("wandb")
        with contextlib.chdir(Path(__file__).parent):  # where there is no wandb/settings to obey
            wandb.setup(wandb.Settings(silent=True, disable_git=True, disable_code=True))
        try:
            return self._start(info)
        except wandb.Error as error:
            if self.mode == "offline":
                raise
            reason = " ".join(str(error).split())
        line = f"W&B: {reason}; tracked offline: fovea sync {info.folder.id}"
        log.warning(line)
        say(f"fovea: {line}", stderr=True)
        self.mode = "offline"
        return self._start(info)

    def _start(self, info: RunInfo) -> Logger:
        import wandb

        self._logger = _ResumedWandbLogger(
            name=info.name,
            save_dir=str(info.folder.path),
            version=info.folder.id,
            project=self.project,
            entity=self.entity,
            group=info.experiment,
            job_type="train",
            tags=[*(tag[:_LONGEST_TAG] for tag in info.tags), *self.tags],
            config={**info.config, "choices": info.folder.summary.get("choices", {})},
            mode=self.mode,
            resume="allow",
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                disable_code=True,
                save_code=False,
                x_save_requirements=False,
            ),
        )
        self._logger.start()  # now, so that a run that fails early is there too
        return self._logger

    def report(self, outcome: Outcome) -> None:
        import wandb

        assert self._logger is not None
        run = self._logger.experiment
        metrics = outcome.summary.get("metrics", {})
        run.summary.update(
            {key: value for key, value in outcome.summary.items() if key != "metrics"}
        )
        run.summary.update(metrics)
        shown = {
            f"test/{Path(name).stem}": wandb.Image(Image.open(io.BytesIO(content)))
            for name, content in outcome.pictures.items()
        }
        samples = [
            wandb.Image(picture.squeeze(), caption=caption) for picture, caption in outcome.samples
        ]
        if shown or samples:
            run.log(shown | ({"test/samples": samples} if samples else {}))

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


class LoggerTracker:
    """Any Lightning logger: it is sent the config, every epoch, and the metrics of the test.

    Args:
        logger: nothing of the run was sent to it.
        folder: where it writes below the run's folder.
    """

    def __init__(self, logger: Logger, folder: str) -> None:
        self._logger = logger
        self._folder = folder

    def start(self, info: RunInfo) -> Logger:
        info.folder.discard(self._folder)
        self._logger.log_hyperparams(dict(info.config))
        return self._logger

    def report(self, outcome: Outcome) -> None:
        metrics = outcome.summary.get("metrics", {})
        tested = {key: each for key, each in metrics.items() if key.startswith("test/")}
        self._logger.log_metrics(tested, step=outcome.summary.get("steps", 1) - 1)

    def finish(self, exit_code: int) -> None:
        self._logger.finalize("failed" if exit_code else "success")


def build_tracker(node: Mapping[str, Any], name: str, run: RunFolder) -> Tracker:
    """Build what a ``tracking`` node names.

    Args:
        node: of a tracker, or of a Lightning logger, which writes below the run's folder.
        name: of the logger's folder there.
        run: the record.

    Raises:
        FoveaError: it is not trusted or not installed, or would write elsewhere.
    """
    kind = class_of("tracking", node)
    if not (isinstance(kind, type) and issubclass(kind, Logger)):
        return build("tracking", node)
    folder = f"loggers/{name}"
    where = (run.path / folder).absolute()
    takes_folder = "save_dir" in arguments("tracking", node)
    logger: Logger = build("tracking", node, **({"save_dir": str(where)} if takes_folder else {}))
    writes: Any = getattr(logger, "log_dir", None)
    if writes is not None and not Path(os.path.normpath(writes)).is_relative_to(where):
        raise ConfigError(f"tracking: {type(logger).__name__} would write to {writes}, not {where}")
    return LoggerTracker(logger, folder)
