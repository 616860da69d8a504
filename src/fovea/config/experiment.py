"""What an experiment's file may set: what an experiment is for, and nothing about this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fovea.config import schema
from fovea.config.errors import ConfigError, did_you_mean
from fovea.config.trust import clean

GROUPS = tuple(each for each in schema.GROUPS if each not in ("tracking", "launcher"))
VALUES = ("seed", "epochs", "batch_size", "select", "callbacks")
_SWEEPER = ("params", "arms")
_TRACKING = ("tags", "project")
_OURS = (  # whose command it is, not whose experiment
    "dry_run",
    "experiment",
    "launcher",
    "outputs",
    "rerun",
    "skip_published",
    "stop_on_failure",
)
_DEFAULT = re.compile(rf"override /({'|'.join(GROUPS)})")
_OPTION = re.compile(r"\w[\w-]*")
_ELSEWHERE = re.compile(r"[/\\]|\.\.")  # a file that is no option of the group
_KEY = re.compile(r"(\+\+|\+|~)?(\w+(?:\.[\w-]+)*)")


def check_experiment(content: Any, file: Path) -> dict[str, Any]:
    """Check what stands in an experiment's ``sweep.yaml``, before anything is composed of it.

    Args:
        content: as read.
        file: where from, for the message.

    Returns:
        The content.

    Raises:
        ConfigError: it sets what an experiment may not.
    """
    place = f"experiments/{clean(file.parent.name, 40)}/{file.name}"
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{place}: not a mapping of config keys")
    for problem in _problems(content):
        raise ConfigError(f"{place}: {problem}")
    return content


def check_option(content: Any, file: Path) -> dict[str, Any]:
    """Check an option of the working folder's ``conf``, before anything is composed of it.

    Raises:
        ConfigError: it is no mapping, has defaults of other groups, or holds an interpolation.
    """
    place = f"conf/{clean(file.parent.name, 40)}/{clean(file.name, 40)}"
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{place}: not a mapping of config keys")
    defaults = content.get("defaults", [])
    if not isinstance(defaults, list) or not all(isinstance(each, str) for each in defaults):
        raise ConfigError(f"{place}: defaults: not a list of options of the group")
    for path, text in _texts(content, ""):
        if "${" in text.replace("${data_root:}", ""):
            where = f"{clean(path, 60)}: " if path else ""
            raise ConfigError(
                f"{place}: {where}'{clean(text, 60)}': an option holds values, no interpolations"
            )
    return content


def _problems(content: Mapping[Any, Any]) -> Iterator[str]:
    """Yield what is wrong with an experiment."""
    for path, text in _texts(content, ""):
        if "${" in text:
            where = f"{clean(path, 60)}: " if path else ""
            yield f"{where}'{clean(text, 60)}': an experiment holds values, no interpolations"
    for key, value in content.items():
        if key == "defaults":
            yield from _defaults(value)
        elif key == "hydra":
            yield from _hydra(value)
        elif key in GROUPS and not isinstance(value, Mapping | None):
            yield f"{key}: not a mapping of its keys; defaults choose an option"
        else:
            yield from _key(str(key), value)


def _key(path: str, value: Any) -> Iterator[str]:
    """Check a key, and below ``tracking`` those in it."""
    top, _, below = path.partition(".")
    if top == "tracking":
        keys = [below] if below else list(value) if isinstance(value, Mapping) else [""]
        for key in keys:
            if str(key).partition(".")[0] not in _TRACKING:
                yield (
                    f"{clean(f'tracking.{key}'.rstrip('.'), 60)}: of tracking an experiment sets "
                    f"{' and '.join(_TRACKING)} only; where runs are sent is the command's to say"
                )
    elif top in _OURS or top in ("hydra", "defaults"):
        yield (
            f"{clean(path, 60)}: not an experiment's to set"
            f"{'' if top in ('hydra', 'defaults') else f'; add {clean(path, 40)}=… to the command'}"
        )
    elif top not in (*GROUPS, *VALUES):
        known = (*VALUES, *GROUPS, "tracking", "defaults", "hydra")
        near = did_you_mean(top, known)
        yield f"{clean(path, 40)}: unknown key{near} (known: {', '.join(known)})"


def _defaults(entries: Any) -> Iterator[str]:
    """Check that options are chosen of an experiment's groups, and nothing else is."""
    if not isinstance(entries, list):
        yield "defaults: not a list"
        return
    for entry in entries:
        if entry == "_self_":
            continue
        pairs = list(entry.items()) if isinstance(entry, Mapping) else []
        key, option = pairs[0] if len(pairs) == 1 else (None, None)
        if not isinstance(key, str) or not _DEFAULT.fullmatch(key):
            yield (
                f"defaults: '{clean(entry, 60)}': an experiment chooses options of "
                f"{', '.join(GROUPS)}, for instance '- override /model: resnet'"
            )
        elif option is not None and not _OPTION.fullmatch(str(option)):
            yield f"defaults: {clean(key, 40)}: '{clean(option, 60)}': not the name of an option"


def _hydra(node: Any) -> Iterator[str]:
    """Check that nothing but the grid is set of Hydra."""
    sweeper = node.get("sweeper") if isinstance(node, Mapping) else None
    if not isinstance(sweeper, Mapping):
        sweeper = {}
        other = list(node) if isinstance(node, Mapping) else [node]
    else:
        other = [key for key in node if key != "sweeper"]
        other += [f"sweeper.{key}" for key in sweeper if key not in _SWEEPER]
    for key in other:
        yield (
            f"hydra.{clean(key, 60)}: of hydra an experiment sets hydra.sweeper.params and "
            "hydra.sweeper.arms only"
        )
    yield from _grid(sweeper.get("params"), "hydra.sweeper.params")
    arms = sweeper.get("arms")
    if arms is not None and not isinstance(arms, Mapping):
        yield "hydra.sweeper.arms: not a mapping of names to overrides"
        return
    for name, joint in (arms or {}).items():
        yield from _grid(joint, f"hydra.sweeper.arms.{clean(name, 40)}")


def _grid(overrides: Any, path: str) -> Iterator[str]:
    """Check the keys that a grid or an arm sets."""
    if overrides is not None and not isinstance(overrides, Mapping):
        yield f"{path}: not a mapping of keys to values"
        return
    for key, value in (overrides or {}).items():
        parsed = _KEY.fullmatch(str(key))
        if parsed is None:
            yield f"{path}: '{clean(key, 60)}': not a config key"
            continue
        for problem in _key(parsed[2], value):
            yield f"{path}: {problem}"
        if parsed[2] in GROUPS and _ELSEWHERE.search(str(value)):
            yield f"{path}.{parsed[2]}: '{clean(value, 60)}': not the name of an option"


def _texts(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield every key and every text of a tree, with the place it is in."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield path, str(key)
            yield from _texts(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value, path)
    elif isinstance(node, str):
        yield path, node
