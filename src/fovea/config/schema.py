"""Validation of a composed config before torch is imported.

The constructor that ``_target_`` names is the schema: its annotations are read from the source
text, so a new model or data set is checked without being registered anywhere, and a typo costs half
a second instead of the imports.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Any, Literal, Never

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model

from fovea.config import types
from fovea.config.annotations import NAMES, evaluate
from fovea.config.errors import ConfigError, did_you_mean, shortened
from fovea.config.trust import find_top_level

_STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, allow_inf_nan=False)
_FROM_DATA = ("num_classes", "in_channels", "image_size")  # "auto" in a model: as the data has it

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
    rerun: bool
    skip_published: bool
    stop_on_failure: bool
    dry_run: bool
    experiment: str | None
    outputs: str
    data: dict[str, Any]
    model: dict[str, Any]
    augment: dict[str, Any]
    loss: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    task: dict[str, Any]
    trainer: dict[str, Any]
    probe: dict[str, Any] | None = None
    tracking: dict[str, Any]
    launcher: dict[str, Any]


def validate(config: Mapping[str, Any]) -> None:
    """Check a resolved config (plain containers, no ``hydra`` node).

    Raises:
        ConfigError: an unknown key, a wrong type, a value out of range, or an impossible pair.
    """
    for path, value in _leaves(config):
        if value == "???":
            raise ConfigError(f"{path}: no value; add {path}=… to the command")
    _check(Root, config, path="")
    for group in GROUPS:
        node = config.get(group)
        if node is not None and "_target_" not in node:
            raise ConfigError(f"{group}._target_: no value; see: fovea list {group}")
        _check_node(node or {}, path=group)
    _check_pairs(config)


def _check_node(node: Mapping[str, Any], path: str) -> None:
    """Check one ``_target_`` node and those within it."""
    target = node.get("_target_")
    if target is None:
        return
    if not isinstance(target, str):
        raise ConfigError(f"{path}._target_={shortened(target)}: should be the name of a class")
    arguments = {key: value for key, value in node.items() if key not in ("_target_", "_partial_")}
    if path == "model":
        auto = [key for key in _FROM_DATA if arguments.get(key) == "auto"]
        arguments = {key: value for key, value in arguments.items() if key not in auto}
    nested = {
        key: value
        for key, value in arguments.items()
        if isinstance(value, Mapping) and "_target_" in value
    }
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
    strategy = trainer.get("strategy", "auto")
    if strategy not in ("auto", "ddp_spawn", "ddp_notebook"):
        raise ConfigError(
            f"trainer.strategy={strategy} starts this command again in every process and would "
            "repeat the whole sweep there; set trainer.devices, and trainer.strategy=auto"
        )


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@cache
def signature_schema(target: str) -> type[BaseModel] | None:
    """Return the schema of a class's constructor or of a function, read from its source text.

    Args:
        target: dotted path, for instance ``fovea.models.resnet.ResNet``.

    Returns:
        A pydantic model with one optional field per argument, or ``None`` where the target is
        not a plain class or function of a Python source file or takes ``**kwargs``.

    Raises:
        ConfigError: fovea has no such module, class or function, or the file is not Python.
    """
    module, _, name = target.rpartition(".")
    source = _source_file(module)
    if source is None:
        if target.startswith("fovea."):
            raise ConfigError(f"_target_={target}: no module {module}")
        return None
    tree = _parsed(source)
    definition = _named(tree.body, name)
    if definition is None:
        if target.startswith("fovea."):
            raise ConfigError(f"_target_={target}: no '{name}' in {module}")
        return None
    arguments = _arguments(definition, tree)
    if arguments is None or any(key[0] == "_" or key in vars(BaseModel) for key in arguments):
        return None  # no names of fields
    names = {**NAMES, **_aliases(tree)}
    own = target.startswith("fovea.")
    fields = {
        key: (_NodeAlone if own and _names_an_object(note, names) else evaluate(note, names), None)
        for key, note in arguments.items()
    }
    return create_model(name, __config__=_STRICT, **fields)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _no_node(value: object) -> Never:
    raise ValueError("should be a node with a _target_")


_NodeAlone = Annotated[Any, BeforeValidator(_no_node)]  # nodes within are checked by themselves


def _names_an_object(note: ast.expr | None, names: Mapping[str, Any]) -> bool:
    """Whether an annotation is the name of a class, so that only a node can give a value."""
    return isinstance(note, ast.Name) and note.id not in {*names, "Path"}


def _source_file(module: str) -> Path | None:
    """Find a module's file without importing it or its parents."""
    path: Any = None
    spec = None
    qualified = ""
    for part in module.split("."):
        qualified = f"{qualified}.{part}" if qualified else part
        try:
            top = qualified == part
            spec = find_top_level(part) if top else PathFinder.find_spec(qualified, path)
        except KeyError:  # below a folder without __init__.py, whose parent is not imported
            return None
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _arguments(definition: ast.stmt, tree: ast.Module) -> dict[str, ast.expr | None] | None:
    """Return name → annotation of a function's, a constructor's or a dataclass's arguments."""
    if isinstance(definition, ast.ClassDef):
        init = _named(definition.body, "__init__")
        if init is None:
            return _dataclass_fields(definition, tree)
        definition = init
    if not isinstance(definition, ast.FunctionDef) or definition.args.kwarg:
        return None
    arguments = [*definition.args.args, *definition.args.kwonlyargs]
    return {each.arg: each.annotation for each in arguments if each.arg != "self"}


def _dataclass_fields(definition: ast.ClassDef, tree: ast.Module) -> dict[str, ast.expr | None]:
    """Return the annotated fields of a class and of its bases in the same module."""
    fields: dict[str, ast.expr | None] = {}
    for base in definition.bases:
        parent = _named(tree.body, ast.unparse(base))
        if isinstance(parent, ast.ClassDef):
            fields.update(_dataclass_fields(parent, tree))
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            fields[node.target.id] = node.annotation
    return fields


def _named(body: Iterable[ast.stmt], name: str) -> ast.stmt | None:
    return next((node for node in body if getattr(node, "name", None) == name), None)


def _aliases(tree: ast.Module) -> dict[str, Any]:
    """Evaluate the type aliases (``Name = Literal[...]``) of a module and those it imports."""
    aliases: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fovea."):
            source = _source_file(node.module or "")
            theirs = _aliases_of(source) if source else {}
            names = {name.name for name in node.names}
            aliases.update({key: value for key, value in theirs.items() if key in names})
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Subscript)
        ):
            value = evaluate(node.value)
            if value is not Any:
                aliases[node.targets[0].id] = value
    return aliases


@cache
def _aliases_of(source: Path) -> dict[str, Any]:
    return _aliases(_parsed(source))


def _parsed(source: Path) -> ast.Module:
    try:
        return ast.parse(source.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = f"{source}:{error.lineno}" if isinstance(error, SyntaxError) else str(source)
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise ConfigError(f"{place}: cannot be read as Python ({reason})") from error
