"""The code a run's numbers come from, told by its source text: neither imported nor run.

It says whether an interrupted run may be resumed. Whether a finished one can be compared with runs
of today, :mod:`fovea.config.numerics` says.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fovea.config.keys import targets
from fovea.config.several import steering
from fovea.config.signatures import source_file
from fovea.config.trust import is_within, named

_SOURCE = Path(__file__).resolve().parents[2]
_TRAINING = "fovea.training.train"
_NO_NUMBERS = (  # modules that only watch, tell, or hand on
    "fovea.config",
    "fovea.sweep.launchers",
    "fovea.records",
    "fovea.tables",
    "fovea.stats",
    "fovea.sweep.workers",
    "fovea.training.quiet",
    "fovea.training.tracking",
)
_DRAWING = ("figures", "charts")  # modules of problems that do
_OF_NUMBERS = ("fovea.records.quantities",)  # says which epoch is best


def code_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a digest of each module that can change the numbers of a run.

    These are fovea's modules that the config's targets and the training loop import, directly or
    not, and those of :func:`foreign_code`.
    """
    training = {key: node for key, node in config.items() if key not in ("probe", "metrics")}
    trainer, metrics = config.get("trainer", {}), config.get("metrics") or {}
    for name in steering(trainer.get("monitor"), trainer.get("stop")):  # others only measure
        training[f"metrics.{name}"] = metrics.get(name)
    return code_of_modules([_TRAINING, *_modules(training)]) | foreign_code(training)


def foreign_code(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a digest of each module of a package that the user trusts and a target lies in."""
    own = named()
    files = {each: source_file(each) for each in _modules(config) if is_within(each, own)}
    return {name: _read(file)[0] for name, file in sorted(files.items()) if file is not None}


def code_of_modules(modules: Iterable[str]) -> dict[str, str]:
    """Return a digest of each of fovea's modules among these, and of those they import.

    Comments, docstrings and layout are not in a digest.
    """
    waiting = list(modules)
    found: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        if module in found or (_has_no_numbers(module) and module not in _OF_NUMBERS):
            continue
        if (file := _file(module)) is not None:
            found[module], imported = _read(file)
            waiting += imported
    return dict(sorted(found.items()))


def _has_no_numbers(module: str) -> bool:
    drawing = module.startswith("fovea.problems.") and module.rpartition(".")[2] in _DRAWING
    return drawing or module.startswith(_NO_NUMBERS)


def changed_modules(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the modules whose digests differ, or that only one of the two has."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _modules(config: Mapping[str, Any]) -> list[str]:
    """Return the modules of what a config names as targets."""
    return [str(target).rpartition(".")[0] for _, target in targets(config)]


def _file(module: str) -> Path | None:
    path = _SOURCE.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    if not module.startswith("fovea."):
        return None
    return next((file for file in candidates if file.is_file()), None)


@cache
def _read(file: Path) -> tuple[str, tuple[str, ...]]:
    """Return a module's digest, and what it imports: modules, or names that may be modules."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    digest = hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:12]
    return digest, tuple(imported)
