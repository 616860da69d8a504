"""Where a run that was interrupted can be resumed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fovea.config.code import changed_modules, code_of
from fovea.config.errors import DataError, RecordError
from fovea.data.image.fingerprint import data_difference
from fovea.records import RunFolder
from fovea.records.history import from_one
from fovea.records.schema import Progress, mistake
from fovea.training.assemble import Lab, load_checkpoint
from fovea.training.tracking.environment import installed_versions

log = logging.getLogger(__name__)

_SAME_PACKAGES = ("torch", "pytorch-lightning")


@dataclass(frozen=True)
class Interrupted:
    """The last checkpoint of a run.

    Args:
        file: the checkpoint.
        epochs: history rows of the epochs behind it.
        complete: there is nothing left to train.
        seconds: how long it took to get there.
        resolved: precision and compiling, as they were resolved when it was begun.
    """

    file: Path
    epochs: list[dict[str, float]]
    complete: bool
    seconds: float
    resolved: Mapping[str, Any]


def take_up(run: RunFolder, lab: Lab) -> Interrupted | None:
    """Return where a run can be resumed, or ``None``, its record cleared, where it starts anew.

    A run starts anew that has no checkpoint, a damaged one, or one of other code or packages: half
    a training of each would be the result of neither. The log says why.

    Args:
        run: the record as the interrupted run left it, its config and summary apart.
        lab: of the run, its data as it is now.

    Raises:
        DataError: it was begun on other data, and ``rerun`` does not ask to start anew.
    """
    if (run.checkpoints / "last.ckpt").is_file():
        try:
            differs = data_difference(run.read("data.json"), *lab.data.state())
            if differs and not lab.config["rerun"]:
                raise DataError(
                    f"run {run.id} was begun on other data ({differs}) than data.root="
                    f"{lab.config['data'].get('root')} holds; set the one it was begun on, or "
                    "start anew with rerun=true"
                )
            if not (differs := differs or _differs(run, lab.config)):
                own = load_checkpoint(run, "last")["fovea"]
                if wrong := mistake(Progress, own):
                    raise RecordError(f"last.ckpt: {wrong}")
                if own["complete"] and own["best"] is not None:
                    load_checkpoint(run, "best")
                log.info("resumed after %d epochs", len(own["history"]))
                return Interrupted(
                    file=run.checkpoints / "last.ckpt",
                    epochs=from_one(own["history"]),
                    complete=own["complete"],
                    seconds=own["seconds"],
                    resolved=run.read("environment.json")["resolved"],
                )
        except (RecordError, KeyError) as error:
            differs = str(error)
        log.warning("starts anew, its checkpoint is of no use: %s", differs)
    run.clear()
    return None


def _differs(run: RunFolder, config: Mapping[str, Any]) -> str:
    """Return in what the record differs from what would be trained now; '' for in nothing."""
    environment = run.read("environment.json")
    if changed := changed_modules(environment["code"], code_of(config)):
        return f"the code has changed ({', '.join(changed)})"
    packages, now = environment["packages"], installed_versions()
    if changed := [name for name in _SAME_PACKAGES if packages.get(name) != now.get(name)]:
        return f"other versions of {', '.join(changed)}"
    return ""
