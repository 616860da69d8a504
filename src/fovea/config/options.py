"""The config groups and their options, read from the files' own headers; no Hydra needed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fovea.config import paths
from fovea.config.errors import ConfigError
from fovea.config.files import read_yaml


def groups() -> list[str]:
    """Return the config groups; ``experiment`` is one of them."""
    folders = sorted(path.name for path in paths.conf().iterdir() if path.is_dir())
    return ["experiment", *(name for name in folders if name != "hydra")]


def options(group: str) -> dict[str, Path]:
    """Return the options of a group and the file each is in, sorted by name."""
    if group == "experiment":
        found = {name: paths.experiment(name) for name in paths.experiment_names()}
        return {name: folder / "sweep.yaml" for name, folder in found.items() if folder}
    files = (paths.conf() / group).glob("*.yaml")
    return {path.stem: path for path in sorted(files) if not path.stem.startswith("_")}


def description(file: Path) -> str:
    """Return the one-line description a config file opens with."""
    with file.open(encoding="utf-8") as stream:
        return stream.readline().removeprefix("#").strip()


@cache
def stated(group: str, option: str) -> dict[str, Any]:
    """Return what an option's own files state, nothing resolved; empty where there is no such file.

    Of its defaults list those are read that name other options of the group.
    """
    file = paths.conf() / group / f"{option}.yaml"
    try:
        own = read_yaml(file, exponents=True)
    except (ConfigError, OSError):
        return {}
    if not isinstance(own, dict):
        return {}
    merged: dict[str, Any] = {}
    for each in own.pop("defaults", []) or []:
        if isinstance(each, str) and each not in ("_self_", option):
            merged |= stated(group, each)
    return merged | own


def complete_override(prefix: str) -> list[str]:
    """Return what an override that starts with ``prefix`` can go on to be."""
    key, given, value = prefix.partition("=")
    if given:
        *before, _ = value.split(",")
        start = ",".join([*before, ""]) if before else ""
        return [f"{key}={start}{name}" for name in options(key)] if key in groups() else []
    if "." in prefix:
        return [f"{name}=" for name in _keys_of_group(prefix.partition(".")[0])]
    root = read_yaml(paths.conf() / "train.yaml")
    plain = [f"{name}=" for name in root if name not in ("defaults", "hydra", "experiment")]
    nodes = [f"{name}." for name in groups() if name != "experiment"]
    return [*(f"{name}=" for name in groups()), *nodes, *plain]


def _keys_of_group(group: str) -> Iterator[str]:
    """Return the dotted keys of any option of a group."""
    keys: set[str] = set()
    for file in (paths.conf() / group).glob("*.yaml"):
        keys.update(_dotted(read_yaml(file) or {}, f"{group}."))
    return iter(sorted(keys))


def _dotted(node: dict[str, object], prefix: str) -> Iterator[str]:
    for key, value in node.items():
        if key == "defaults" or key.startswith("_"):
            continue
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield prefix + key
