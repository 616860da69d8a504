"""From a config to the objects it names, and from a record back to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fovea.config.build import build, factory
from fovea.config.errors import ConfigError, DataError, RecordError
from fovea.config.trust import require_trusted
from fovea.data.image.cache import read_cached
from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.module import ImageData
from fovea.data.image.source import Spec
from fovea.problems.classification.task import Classification
from fovea.records import RunFolder
from fovea.training.probes import Probe
from fovea.training.processor import flush_denormals, keep_freed_memory
from fovea.training.settings import TrainerSettings


@dataclass(frozen=True)
class Lab:
    """What one run needs: its data, its task, how it is executed, and what else is measured."""

    data: ImageData
    task: Classification
    settings: TrainerSettings
    probe: Probe | None = None


def assemble(config: Mapping[str, Any]) -> Lab:
    """Build a run's data, network and task; no image is read yet.

    Raises:
        FoveaError: the config or the data set does not allow it.
    """
    keep_freed_memory()
    flush_denormals()
    settings: TrainerSettings = build("trainer", config["trainer"])
    data: ImageData = build(
        "data",
        config["data"],
        augment=build("augment", config["augment"]),
        batch_size=config["batch_size"],
        seed=config["seed"],
        channels_last=settings.channels_last,
    )
    model, inputs = build_model(config["model"], data.spec)
    data.serve(inputs["in_channels"], inputs["image_size"])
    if settings.channels_last:
        model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    task: Classification = build(
        "task",
        config["task"],
        model=model,
        loss=build("loss", config["loss"]),
        optimizer=factory("optimizer", config["optimizer"]),
        schedule=build("schedule", config["schedule"]),
        stepping=settings.stepping,
        classes=data.spec.classes,
    )
    probe = build("probe", config["probe"]) if config.get("probe") else None
    return Lab(data, task, settings, probe)


def data_state(node: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """Return fingerprint and classes of a ``data`` config's data set; ``None``: it is not here."""
    try:
        data: ImageData = build("data", node)
        content = fingerprint(read_cached(data.source, data.root, skip_bad=data.skip_bad))
        return content, tuple(data.source.spec(data.root).classes)
    except DataError:
        return None


def build_model(node: Mapping[str, Any], spec: Spec) -> tuple[nn.Module, dict[str, Any]]:
    """Build a network for a data set.

    Args:
        node: the ``model`` config; ``auto`` inputs are taken from the data set.
        spec: what the data set looks like.

    Returns:
        The network, and the ``num_classes``, ``in_channels`` and ``image_size`` it was built for.

    Raises:
        ConfigError: it has fewer outputs than the data has classes, or refuses its arguments.
    """
    offered = {
        "num_classes": len(spec.classes),
        "in_channels": spec.channels,
        "image_size": spec.image_size,
    }
    inputs = {
        key: value if node.get(key, "auto") == "auto" else node[key]
        for key, value in offered.items()
    }
    if inputs["num_classes"] is None or inputs["num_classes"] < len(spec.classes):
        raise ConfigError(
            f"model.num_classes={inputs['num_classes']}: the data has {len(spec.classes)} classes"
        )
    own = {key: value for key, value in node.items() if key not in inputs}
    return build("model", own, **inputs), inputs


def restore(run: RunFolder, which: str | None = None) -> nn.Module:
    """Rebuild a run's network with its trained weights, in evaluation mode.

    Args:
        run: the record.
        which: ``best`` or ``last``; ``None`` is the one the run was tested with.

    Raises:
        ConfigError: the record names what is not trusted.
        RecordError: the record has no such weights, or they are damaged.
    """
    require_trusted(run.config, f"run {run.id}")
    described = run.read("data.json")
    if not described:
        raise RecordError(f"run {run.id} has no data.json: it stopped before it trained")
    spec = Spec(tuple(described["classes"]), described["channels"], described["image_size"])
    model, _ = build_model(run.config["model"], spec)
    weights = load_checkpoint(run, which)["state_dict"]
    own = {
        key.removeprefix("model."): value
        for key, value in weights.items()
        if key.startswith("model.")
    }
    load_weights(model, own)
    return model.eval()


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights in the precision they were saved in; the module's own becomes theirs."""
    for each in weights.values():
        if each.is_floating_point():
            module.to(each.dtype)
            break
    module.load_state_dict(weights)


def load_checkpoint(run: RunFolder, which: str | None = None) -> dict[str, Any]:
    """Load a checkpoint of a run; nothing in it is executed.

    Raises:
        RecordError: there is none of that name, or it is damaged.
    """
    file = run.checkpoints / f"{which or run.summary.get('selected', 'last')}.ckpt"
    if not file.is_file():
        raise RecordError(f"{file}: no such checkpoint; train the run again with rerun=true")
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RecordError(f"{file}: damaged ({error}); train the run again") from error
