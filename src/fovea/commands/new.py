"""``fovea new``: a problem of one's own, commented, that runs as it is."""

from __future__ import annotations

import keyword
from importlib.machinery import PathFinder
from pathlib import Path

from fovea.config.errors import ConfigError
from fovea.config.options import options
from fovea.config.paths import experiment
from fovea.config.printing import say

_TEMPLATES = Path(__file__).resolve().parents[1] / "_templates"
_FOLDERS = {"package": "{name}", "conf": "conf", "experiment": "experiments/{name}"}


def run(kind: str, name: str) -> int:
    """Write a problem's code, its options and an experiment into the working folder.

    Args:
        kind: ``problem``.
        name: of the package, the options and the experiment.

    Raises:
        ConfigError: the name is none of a package or is taken; nothing is written then.
    """
    _require_free(name)
    files: dict[Path, str] = {}
    for folder, where in _FOLDERS.items():
        top = _TEMPLATES / kind / folder
        for file in sorted(top.rglob("*.*")):
            if file.suffix in (".py", ".yaml"):
                place = Path(where.format(name=name)) / file.relative_to(top)
                target = Path(*(part.replace("NAME", name) for part in place.parts))
                files[target] = file.read_text(encoding="utf-8").replace("NAME", name)
    if taken := next((file for file in files if file.exists()), None):
        raise ConfigError(f"{taken}: is there already; choose another name, or remove it")
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        say(file)
    say(f"next: FOVEA_TRUST={name} fovea train experiment={name}")
    return 0


def _require_free(name: str) -> None:
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        raise ConfigError(f"'{name}': not the name of a Python package; use letters, digits and _")
    if PathFinder.find_spec(name) is not None:
        raise ConfigError(f"'{name}': an installed package has that name; choose another")
    taken = [group for group in ("data", "task", "loss") if name in options(group)]
    if taken or experiment(name) is not None:
        what = f"{taken[0]}={name}" if taken else f"experiment={name}"
        raise ConfigError(f"'{name}': there is a {what} already; choose another name")
