"""Where things lie: a checkout's own folders, or the copies inside an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parents[1]
_HOME = _CHECKOUT if (_CHECKOUT / "conf" / "train.yaml").is_file() else _PACKAGE / "_share"


def conf() -> Path:
    """Return the folder of config groups."""
    return _HOME / "conf"


def experiments() -> list[Path]:
    """Return the folders that hold experiments: the working folder's own first, then fovea's."""
    return list(dict.fromkeys([Path.cwd() / "experiments", _HOME / "experiments"]))


def experiment(name: str) -> Path | None:
    """Return the folder of an experiment, or ``None`` where there is none of that name."""
    folders = (root / name for root in experiments())
    return next((folder for folder in folders if (folder / "sweep.yaml").is_file()), None)


def experiment_names() -> list[str]:
    """Return the names of all experiments, sorted."""
    return sorted(
        {path.parent.name for root in experiments() for path in root.glob("*/sweep.yaml")}
    )


def data_root() -> Path:
    """Return the default data root: ``$FOVEA_DATA``, else ``./data``, else ``~/.cache/fovea``."""
    if root := os.environ.get("FOVEA_DATA"):
        return Path(root).expanduser()
    local = Path.cwd() / "data"
    return local if local.is_dir() else Path.home() / ".cache" / "fovea"


def cache() -> Path:
    """Return the folder of decoded data sets: ``$FOVEA_CACHE``, else below ``~/.cache/fovea``."""
    if root := os.environ.get("FOVEA_CACHE"):
        return Path(root).expanduser()
    return Path.home() / ".cache" / "fovea" / "decoded"


def timings() -> Path:
    """Return the folder of timed networks: below ``$FOVEA_CACHE``, else ``~/.cache/fovea``."""
    root = os.environ.get("FOVEA_CACHE") or "~/.cache/fovea"
    return Path(root).expanduser() / "timings"


def outputs() -> Path:
    """Return the output root: ``$FOVEA_OUTPUTS``, else the checkout's, else ``./outputs``."""
    if root := os.environ.get("FOVEA_OUTPUTS"):
        return Path(root).expanduser()
    return (_CHECKOUT if _HOME == _CHECKOUT else Path.cwd()) / "outputs"
