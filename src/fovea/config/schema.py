"""Validation of a composed config before torch is imported.

The constructor that ``_target_`` names is the schema: its annotations are read from the source
text, so a new model or data set is checked without being registered anywhere, and a typo costs half
a second instead of the imports.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Never

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model

from fovea.config import types
from fovea.config.errors import ConfigError, did_you_mean, one_line, shortened
from fovea.config.keys import walk
from fovea.config.renamed import advice
from fovea.config.several import KEYED, nodes
from fovea.config.signatures import signature

_STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, allow_inf_nan=False)

_NAME = re.compile(r"[^\W\d]\w*")  # of a metric, as expressions of tables spell it
_OURS = ("_target_", "_partial_", "_problem_")  # keys of a node that are no arguments

GROUPS = (
    "data",
    "model",
    "augment",
    "loss",
    "optimizer",
    "schedule",
    "task",
    "trainer",
    "probe",
    "metrics",
    "tracking",
    "launcher",
)


class Root(BaseModel):
    """The keys of ``conf/train.yaml``."""

    model_config = _STRICT

    seed: types.Seed
    epochs: types.Epochs
    batch_size: types.PositiveInt
    select: Literal["auto", "best", "last"]
    callbacks: list[dict[str, Any]] = []
    rerun: types.Unscientific[bool | Literal["stale"]]
    skip_published: types.Unscientific[bool]
    stop_on_failure: types.Unscientific[bool]
    dry_run: types.Unscientific[bool]
    experiment: types.Unscientific[str | None]
    outputs: types.Unscientific[str]
    data: dict[str, Any]
    model: dict[str, Any]
    augment: dict[str, Any]
    loss: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    task: dict[str, Any]
    trainer: dict[str, Any]
    probe: types.Unscientific[dict[str, Any] | None] = None
    metrics: dict[str, Any] | None = None  # of those, what training watches: identity.py
    tracking: types.Unscientific[dict[str, Any]]
    launcher: types.Unscientific[dict[str, Any]]


def validate(config: Mapping[str, Any]) -> None:
    """Check a resolved config (plain containers, no ``hydra`` node).

    Raises:
        ConfigError: an unknown key, a wrong type, a value out of range, or an impossible pair.
    """
    for path, value in walk(config):
        if value == "???":
            raise ConfigError(f"{path}: no value; add {path}=… to the command")
    _check(Root, config, path="")
    for group in GROUPS:
        for path, node in nodes(group, config):
            _check_place(group, path, config)
            _check_node(node, path)
    for index, node in enumerate(config.get("callbacks", [])):
        if "_target_" not in node:
            raise ConfigError(f"callbacks.{index}._target_: no value; name a class of Lightning's")
        _check_node(node, path=f"callbacks.{index}")
    _check_pairs(config)


def _check_place(group: str, path: str, config: Mapping[str, Any]) -> None:
    """Check that what stands in the place of a group's node, or of one of several, is one."""
    placed = dict(nodes(group, config))
    known = [each.partition(".")[2] for each, node in placed.items() if _is_node(node)]
    name = path.partition(".")[2]
    if name and known and not isinstance(placed[path], Mapping):
        raise ConfigError(f"{shortened(path)}: unknown key (known: {', '.join(known)})")
    if not _is_node(placed[path]):
        where = path if isinstance(placed[path], Mapping) else group
        raise ConfigError(f"{shortened(where)}._target_: no value; see: fovea list {group}")
    if group in KEYED and not _NAME.fullmatch(name):
        raise ConfigError(f"{shortened(path)}: should be named by letters, digits and _")


def _check_node(node: Mapping[str, Any], path: str) -> None:
    """Check one ``_target_`` node and those within it."""
    target = node.get("_target_")
    if target is None:
        return
    if not isinstance(target, str):
        raise ConfigError(f"{path}._target_={shortened(target)}: should be the name of a class")
    arguments = {key: value for key, value in node.items() if key not in _OURS}
    if path.partition(".")[0] in ("model", "metrics"):
        arguments = {key: value for key, value in arguments.items() if value != "auto"}
    nested = {key: value for key, value in arguments.items() if _is_node(value)}
    schema = signature_schema(target)
    if schema is not None:
        plain = {key: None if key in nested else value for key, value in arguments.items()}
        _check(schema, plain, path, skip=nested)
    for key, value in nested.items():
        _check_node(value, f"{path}.{key}")


def _check(
    schema: type[BaseModel], values: Mapping[str, Any], path: str, skip: Iterable[str] = ()
) -> None:
    try:
        schema.model_validate_json(json.dumps(values))
    except ValidationError as error:
        problems = [item for item in error.errors() if str(item["loc"][0]) not in skip]
        if not problems:
            return
        known = [key for key in values if key in schema.model_fields]
        raise ConfigError(_describe(problems, known, path)) from None


def _describe(problems: Sequence[Any], known: Sequence[str], path: str) -> str:
    """Tell the first problem; a value that may be of several types has one with each."""
    problem = problems[0]
    key = str(problem["loc"][0])
    where = f"{path}.{key}" if path else key
    if problem["type"] == "extra_forbidden":
        if renamed := advice(where):
            return f"{where}: unknown key{renamed}"
        near = did_you_mean(key, known)
        return f"{shortened(where)}: unknown key{near} (known: {', '.join(known)})"
    if problem["type"] == "missing":
        return f"{where}: no value"
    value = problem["input"]
    same = [
        each["msg"]
        for each in problems
        if (each["loc"][0], repr(each["input"])) == (key, repr(value))
    ]
    message = " or ".join(dict.fromkeys(same)).replace("Input ", "").replace("or should be", "or")
    message = message.removeprefix("Value error, ")
    shown = "null" if value is None else shortened(value)
    return f"{where}={shown}: {message[0].lower() + message[1:]}"


def _check_pairs(config: Mapping[str, Any]) -> None:
    """Refuse pairs of values, each good by itself, that cannot be run together."""
    data, trainer, optimizer = config["data"], config["trainer"], config["optimizer"]
    own_test = data.get("validate_on") == "test"
    no_validation = not own_test and data.get("val_fraction") == 0
    if optimizer.get("nesterov") and not optimizer.get("momentum"):
        raise ConfigError("optimizer.nesterov=true needs optimizer.momentum above 0")
    folds, fold = data.get("folds"), data.get("fold", 0)
    if isinstance(fold, int) and fold >= (folds or 1):
        known = "needs data.folds" if folds is None else f"data.folds={folds} are 0 to {folds - 1}"
        raise ConfigError(f"data.fold={fold}: {known}")
    if no_validation and config["select"] == "best":
        raise ConfigError(
            "select=best chooses by the validation part, and data.val_fraction=0 leaves none; "
            "set select=last or a data.val_fraction above 0"
        )
    if no_validation and trainer.get("patience") is not None:
        raise ConfigError(
            "trainer.patience watches the validation part, and data.val_fraction=0 leaves none"
        )
    if (config["schedule"].get("warmup_epochs") or 0) > config["epochs"]:
        raise ConfigError(
            f"schedule.warmup_epochs={config['schedule']['warmup_epochs']} is longer than "
            f"epochs={config['epochs']}"
        )
    if (stop := trainer.get("stop")) is not None and not _is_stop(stop):
        raise ConfigError(
            f"trainer.stop={one_line(stop, 80)}: should be null or "
            "{metric: NAME, value: NUMBER}, for instance {metric: train/loss, value: 0.1}"
        )
    strategy = trainer.get("strategy", "auto")
    if strategy not in ("auto", "ddp_spawn", "ddp_notebook"):
        raise ConfigError(
            f"trainer.strategy={strategy} starts this command again in every process and would "
            "repeat the whole sweep there; set trainer.devices, and trainer.strategy=auto"
        )


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _is_stop(node: Any) -> bool:
    """Whether a value names a metric and a number."""
    if not isinstance(node, Mapping) or set(node) != {"metric", "value"}:
        return False
    value = node["value"]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(node["metric"], str) and number


@cache
def signature_schema(target: str) -> type[BaseModel] | None:
    """Return the schema of a class's constructor or of a function, read from its source text.

    Returns:
        A pydantic model with one optional field per argument, or ``None`` where the signature
        cannot be read, or takes ``**kwargs``.

    Raises:
        ConfigError: as of :func:`~fovea.config.signatures.signature`.
    """
    arguments = signature(target)
    if arguments is None or any(key[0] == "_" or key in vars(BaseModel) for key in arguments):
        return None  # no names of fields
    own = target.startswith("fovea.")
    fields = {
        key: (_NodeAlone if own and each.names_object else each.type, None)
        for key, each in arguments.items()
    }
    name = target.rpartition(".")[2]
    return create_model(name, __config__=_STRICT, **fields)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _no_node(value: object) -> Never:
    raise ValueError("should be a node with a _target_")


_NodeAlone = Annotated[Any, BeforeValidator(_no_node)]  # nodes within are checked by themselves
