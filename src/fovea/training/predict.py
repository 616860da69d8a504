"""What a trained run says of new samples, from its record alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fovea.config.build import class_of
from fovea.config.errors import DataError
from fovea.data.base import Data, Inputs
from fovea.problems.base import Task, on_host
from fovea.problems.predictions import Predictions
from fovea.records import RunFolder
from fovea.training.assemble import restore

_PICTURES = 100  # kept; there may be more samples than fit in memory as pictures


@dataclass(frozen=True)
class Predicted:
    """New samples, and what a network says of them.

    Args:
        names: of the samples.
        pictures: of the first hundred as the network saw them, uint8 ``(H, W, C)``, if they are
            drawn.
        predictions: of all, without targets.
    """

    names: Sequence[str]
    pictures: Sequence[NDArray[np.uint8]]
    predictions: Predictions


def predict(
    run: RunFolder,
    given: Sequence[str],
    texts: Sequence[str] = (),
    *,
    weights: str | None = None,
) -> Predicted:
    """Feed new samples to a run's network, prepared as its training samples were.

    Args:
        run: the record.
        given: files and folders, as the run's data reads them.
        texts: samples that are in no file.
        weights: ``best`` or ``last``; ``None`` is those the run was tested with.

    Raises:
        DataError: there is no such file, it cannot be read, or samples are no texts.
        RecordError: the record or the weights are missing or damaged.
    """
    model = restore(run, weights)
    described = run.read("data.json")
    data: type[Data] = class_of("data", run.config["data"])
    task: type[Task] = class_of("task", run.config["task"])
    precision = next((each.dtype for each in model.parameters()), None)
    names: list[str] = []
    pictures: list[NDArray[np.uint8]] = []
    kept: list[dict[str, NDArray[Any]]] = []
    for inputs in _inputs(data, described, given, texts):
        with torch.inference_mode():
            outputs = model(*(_as_trained(each, precision) for each in inputs.tensors))
            kept.append({name: on_host(each) for name, each in task.rows(outputs).items()})
        names += inputs.names
        pictures += inputs.pictures[: _PICTURES - len(pictures)]
    if not kept:
        raise DataError(f"no samples in {', '.join(given)}")
    rows = {name: np.concatenate([each[name] for each in kept]) for name in kept[0]}
    return Predicted(names, pictures, task.predictions(rows, data.offers_of(described)))


def _inputs(
    data: type[Data], described: Mapping[str, Any], given: Sequence[str], texts: Sequence[str]
) -> Iterator[Inputs]:
    if given:
        yield from data.read(described, given)
    if texts:
        yield from data.read_texts(described, texts)


def _as_trained(values: torch.Tensor, precision: torch.dtype | None) -> torch.Tensor:
    return values.to(precision) if values.is_floating_point() else values
