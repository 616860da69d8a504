"""A trained run measured again, from its record alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning import Trainer

from fovea.config.errors import DataError
from fovea.config.trust import require_trusted
from fovea.data.image.fingerprint import data_difference
from fovea.problems.base import Task
from fovea.records import RunFolder
from fovea.training.assemble import Lab, assemble, load_checkpoint, load_weights
from fovea.training.process import process_of_run
from fovea.training.quiet import quiet_libraries


def evaluate(
    run: RunFolder, *, weights: str | None = None, data_root: str | None = None
) -> dict[str, float]:
    """Measure a run's network on the test part, and by the probes of its config.

    Args:
        run: the record.
        weights: ``best`` or ``last``; ``None`` is those it was tested with.
        data_root: where the data is; ``None`` is where the run found it.

    Returns:
        ``test/…`` metrics, and the probes'.

    Raises:
        ConfigError: the record names what is not trusted.
        DataError: the data is not there, or is not what the run was trained with.
        RecordError: the record or the weights are missing or damaged.
    """
    metrics = {**(run.config.get("metrics") or {}), **run.summary.get("metric_nodes", {})}
    config = _at(run.config | {"metrics": metrics}, data_root)
    require_trusted(config, f"run {run.id}")
    checkpoint = load_checkpoint(run, weights)
    with quiet_libraries(), process_of_run(config):
        return measure_weights(_assembled(run, config), checkpoint)


def pictures_of_test(
    run: RunFolder, rows: Sequence[int], *, data_root: str | None = None
) -> list[NDArray[np.uint8]]:
    """Return samples of a run's test part as pictures, as its network saw them.

    Args:
        run: the record.
        rows: places in the test part, from 0.
        data_root: where the data is; ``None`` is where the run found it.

    Raises:
        FoveaError: as of :func:`evaluate`.
    """
    config = _at(run.config, data_root)
    require_trusted(config, f"run {run.id}")
    with quiet_libraries():
        return _assembled(run, config).data.pictures(rows)


def measure_probes(
    run: RunFolder, config: Mapping[str, Any], paths: Collection[str]
) -> dict[str, float]:
    """Measure the tested weights of a finished run by probes.

    Args:
        run: the record.
        config: the run's, with the probes.
        paths: of those that are to measure.

    Raises:
        FoveaError: as of :func:`evaluate`.
    """
    checkpoint = load_checkpoint(run)
    with quiet_libraries(), process_of_run(config):
        lab = _assembled(run, config)
        lab = replace(lab, probes={path: lab.probes[path] for path in paths})
        load_weights(lab.task, checkpoint["state_dict"])
        trainer = lab.settings.single_device().trainer(epochs=1, loggers=False, callbacks=[])
        return _probed(lab, trainer)


def _at(config: dict[str, Any], data_root: str | None) -> dict[str, Any]:
    """Return a config whose data is elsewhere, if it is."""
    if data_root is None:
        return config
    return config | {"data": config["data"] | {"root": data_root}}


def _assembled(run: RunFolder, config: Mapping[str, Any]) -> Lab:
    """Build a run's objects; its data and its precision are those it was trained with.

    Raises:
        DataError: it is not.
    """
    lab = assemble(config)
    lab.data.setup()
    if differs := data_difference(run.read("data.json"), *lab.data.state()):
        raise DataError(
            f"data.root={config['data'].get('root')}: the data differs from what run {run.id} was "
            f"trained with: {differs}"
        )
    resolved = run.read("environment.json").get("resolved", {})
    return replace(lab, settings=lab.settings.as_recorded(resolved))


def measure_weights(lab: Lab, checkpoint: Mapping[str, Any]) -> dict[str, float]:
    """Measure a checkpoint's weights on the test part, and by the lab's probes.

    One device does it: no sample counts twice.

    Returns:
        ``test/…`` metrics, and the probes'.
    """
    load_weights(lab.task, checkpoint["state_dict"])
    trainer = lab.settings.single_device().trainer(epochs=1, loggers=False, callbacks=[])
    (metrics,) = trainer.test(lab.task, datamodule=lab.data, verbose=False)
    measured = {key: float(value) for key, value in metrics.items()}
    return measured | _probed(lab, trainer)


def _probed(lab: Lab, trainer: Trainer) -> dict[str, float]:
    """Return what the lab's probes measure of the task's weights."""
    found: dict[str, float] = {}
    for probe in lab.probes.values():
        found |= probe(lab.data, partial(_validate, trainer, lab.task))
    return found


def _validate(trainer: Trainer, task: Task, batches: Iterable[Any]) -> dict[str, float]:
    """Measure a network on some batches; the predictions of its test stay as they are."""
    (metrics,) = trainer.validate(task, batches, verbose=False)
    found = {key.partition("/"): float(value) for key, value in metrics.items()}
    return {name: value for (part, _, name), value in found.items() if part == "val"}
