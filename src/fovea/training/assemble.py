"""From a config to the objects it names, and from a record back to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning import callbacks as lightning
from torch import Tensor, nn

from fovea.augment.none import Identity
from fovea.augment.protocol import Augmentation
from fovea.config.build import arguments, build, build_with, class_of, factory, offered
from fovea.config.errors import ConfigError, DataError, RecordError, one_line
from fovea.config.several import nodes
from fovea.config.trust import require_trusted
from fovea.data.base import Data
from fovea.problems.base import Stepping, Task
from fovea.problems.metrics import build_metrics
from fovea.problems.probes import Probe
from fovea.records import RunFolder
from fovea.records.folder import REMEDY
from fovea.records.schema import Checkpoint, mistake
from fovea.training.settings import TrainerSettings


@dataclass(frozen=True)
class Lab:
    """What one run needs: its config, and the objects that it names."""

    config: Mapping[str, Any]
    data: Data
    task: Task
    settings: TrainerSettings
    probes: Mapping[str, Probe] = field(default_factory=dict)  # by their paths in the config
    callbacks: Sequence[Callback] = ()


def assemble(config: Mapping[str, Any]) -> Lab:
    """Build a run's data, network and task; no sample is read yet.

    Raises:
        FoveaError: the config or the data set does not allow it.
    """
    settings: TrainerSettings = build("trainer", config["trainer"])
    augment: Augmentation = build("augment", config["augment"])
    if not isinstance(augment, Identity) and "augment" not in arguments("data", config["data"]):
        raise ConfigError("augment: this data is not augmented; set augment=none")
    data: Data = build_with(
        "data",
        config["data"],
        augment=augment,
        batch_size=config["batch_size"],
        seed=config["seed"],
        channels_last=settings.channels_last,
    )
    callbacks: list[Callback] = [build("callbacks", node) for node in config.get("callbacks", [])]
    if any(isinstance(callback, lightning.Checkpoint) for callback in callbacks):
        raise ConfigError(
            "callbacks: fovea saves the best and the last checkpoint; take none that does"
        )
    model, inputs = build_model(config["model"], data.offers)
    data.serve(inputs)
    if settings.channels_last:
        model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    task: Task = build_with(
        "task",
        config["task"],
        model=model,
        loss=build("loss", config["loss"]),
        optimizer=factory("optimizer", config["optimizer"]),
        schedule=build("schedule", config["schedule"]),
        stepping=_stepping(settings, callbacks),
        **data.offers,
    )
    task.metrics = build_metrics(config.get("metrics") or {}, data.offers, task.all_quantities)
    probes = {path: build("probe", node) for path, node in nodes("probe", config)}
    return Lab(config, data, task, settings, probes, callbacks)


def _stepping(settings: TrainerSettings, callbacks: Sequence[Callback]) -> Stepping:
    """Return bursts of one step where a callback wants to hear of every batch."""
    hooks = ("on_train_batch_start", "on_train_batch_end")
    each_batch = any(
        getattr(type(callback), hook) is not getattr(Callback, hook)
        for callback in callbacks
        for hook in hooks
    )
    return replace(settings.stepping, burst=1) if each_batch else settings.stepping


def data_state(node: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """Return fingerprint and classes of a ``data`` config's data set; ``None``: it is not here."""
    try:
        data: Data = build("data", node)
        return data.state()
    except DataError:
        return None


def build_model(
    node: Mapping[str, Any], offers: Mapping[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """Build a network for a data set.

    Args:
        node: the ``model`` config. What is ``auto`` in it or left out is taken from the data set,
            if the network has an argument for it.
        offers: what the data set offers.

    Returns:
        The network, and what of the offers it was built with.

    Raises:
        ConfigError: an ``auto`` that the data does not offer, or the network refuses its arguments.
    """
    for key, value in node.items():
        if value == "auto":
            offered(key, offers, "model")
    own = {key: value for key, value in node.items() if value != "auto"}
    known = arguments("model", node, asked=node.keys() - own.keys())
    taken = {key: offers[key] for key in offers if key in known and key not in own}
    asked = {key: own[key] for key in offers if key in own}
    return build("model", own, **taken), taken | asked


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
    data: type[Data] = class_of("data", run.config["data"])
    model, _ = build_model(run.config["model"], data.offers_of(described))
    weights = load_checkpoint(run, which)["state_dict"]
    own = {
        key.removeprefix("model."): value
        for key, value in weights.items()
        if key.startswith("model.")
    }
    load_weights(model, own)
    return model.eval()


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights in the precision they were saved in; the module's own becomes theirs.

    Raises:
        RecordError: they are another network's.
    """
    for each in weights.values():
        if isinstance(each, Tensor) and each.is_floating_point():
            module.to(each.dtype)
            break
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = one_line(error, 160)
        raise RecordError(f"the recorded weights do not fit the network ({reason})") from error


def load_checkpoint(run: RunFolder, which: str | None = None) -> dict[str, Any]:
    """Load a checkpoint of a run; nothing in it is executed.

    Raises:
        RecordError: there is none of that name, or it is damaged.
    """
    file = run.checkpoints / f"{which or run.summary.get('selected', 'last')}.ckpt"
    if not file.is_file():
        raise RecordError(
            f"{file}: no such checkpoint; train the run to its end, or again with rerun=true"
        )
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = one_line(error, 160)
        raise RecordError(f"{file}: damaged ({reason}); {REMEDY}") from error
    if wrong := mistake(Checkpoint, content):
        raise RecordError(f"{file}: damaged ({wrong}); {REMEDY}")
    return content
