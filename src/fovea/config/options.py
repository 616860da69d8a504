"""The config groups and their options, read from the files' own headers; no Hydra needed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from fovea.config import paths
from fovea.config.errors import ConfigError
from fovea.config.files import read_yaml
from fovea.config.keys import walk
from fovea.config.several import KEYED, SEVERAL

_OF_A_PROBLEM = ("task", "loss", "augment")  # groups whose option goes with the data


def groups() -> list[str]:
    """Return the config groups; ``experiment`` is one of them."""
    folders = sorted(path.name for path in paths.conf().iterdir() if path.is_dir())
    return ["experiment", *(name for name in folders if name not in ("hydra", "problem"))]


def options(group: str) -> dict[str, Path]:
    """Return the options of a group and the file each is in, sorted by name.

    Those of the working folder's ``conf`` are among them, where fovea has none of that name.
    """
    if group == "experiment":
        found = {name: paths.experiment(name) for name in paths.experiment_names()}
        return {name: folder / "sweep.yaml" for name, folder in found.items() if folder}
    files = [file for folder in reversed(_folders()) for file in (folder / group).glob("*.yaml")]
    named = {path.stem: path for path in files if not path.stem.startswith("_")}
    return dict(sorted(named.items()))


def _folders() -> list[Path]:
    """Return the folders of config groups; the first that has an option wins."""
    own = paths.own_conf()
    return [paths.conf(), *([own] if own else [])]


def description(file: Path) -> str:
    """Return the one-line description a config file opens with."""
    with file.open(encoding="utf-8") as stream:
        return stream.readline().removeprefix("#").strip()


def stated(group: str, option: str) -> dict[str, Any]:
    """Return what an option's own files state, nothing resolved; empty where there is no such file.

    Of its defaults list those are read that name other options of the group.
    """
    return _stated(group, option, tuple(_folders()))


@cache
def _stated(
    group: str, option: str, folders: tuple[Path, ...], within: tuple[str, ...] = ()
) -> dict[str, Any]:
    files = (folder / group / f"{option}.yaml" for folder in folders)
    file = next((each for each in files if each.is_file()), None)
    try:
        own = read_yaml(file, exponents=True) if file else None
    except (ConfigError, OSError):
        return {}
    if not isinstance(own, dict):
        return {}
    defaults = own.pop("defaults", None)
    within = (*within, option)
    merged: dict[str, Any] = {}
    for each in defaults if isinstance(defaults, list) else []:
        if isinstance(each, str) and each != "_self_" and each not in within:
            merged |= _stated(group, each, folders, within)
    return merged | own


def defaults_of(data: str) -> dict[str, str]:
    """Return the options that go with a data set: those of the problem that its file names."""
    problem = stated("data", data).get("_problem_")
    if not isinstance(problem, str):
        return {}
    found = stated("problem", problem)
    return {
        group: str(option)
        for group, option in found.items()
        if group in _OF_A_PROBLEM and re.fullmatch(r"\w[\w-]*", str(option))
    }


def complete_override(prefix: str) -> list[str]:
    """Return what an override that starts with ``prefix`` can go on to be."""
    key, given, value = prefix.partition("=")
    if given:
        start = value[: max(value.rfind(","), value.rfind("[") if key in SEVERAL else -1) + 1]
        return [f"{key}={start}{name}" for name in options(key)] if key in groups() else []
    if "." in prefix:
        return [f"{name}=" for name in _keys_of_group(prefix.partition(".")[0])]
    root = read_yaml(paths.conf() / "train.yaml")
    plain = [f"{name}=" for name in root if name not in ("defaults", "hydra", "experiment")]
    nodes = [f"{name}." for name in groups() if name != "experiment"]
    return [*(f"{name}=" for name in groups()), *nodes, *plain]


def _keys_of_group(group: str) -> list[str]:
    """Return the dotted keys of any option of a group."""
    keys: set[str] = set()
    for option in options(group):
        alone = [] if group in KEYED else [f"{group}."]
        for prefix in [*alone, *([f"{group}.{option}."] if group in SEVERAL else [])]:
            keys.update(
                key
                for key, value in walk(stated(group, option), prefix)
                if "._" not in key and not isinstance(value, dict)
            )
    return sorted(keys)
