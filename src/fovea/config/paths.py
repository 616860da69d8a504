"""Where things lie: a checkout's own folders, or the copies inside an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

from fovea.config.errors import ConfigError, shortened

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parents[1]
_HOME = _CHECKOUT if (_CHECKOUT / "conf" / "train.yaml").is_file() else _PACKAGE / "_share"


def conf() -> Path:
    """Return the folder of config groups."""
    return _HOME / "conf"


def own_conf() -> Path | None:
    """Return the working folder's ``conf``, if it has one beside fovea's."""
    folder = Path.cwd() / "conf"
    return folder if folder != conf() and folder.is_dir() else None


def experiments() -> list[Path]:
    """Return the folders that hold experiments: the working folder's own first, then fovea's."""
    return list(dict.fromkeys([Path.cwd() / "experiments", _HOME / "experiments"]))


def experiment(name: str) -> Path | None:
    """Return the folder of an experiment, or ``None`` where there is none of that name.

    Raises:
        ConfigError: that is not a name but a path, or has characters that are not printed.
    """
    require_name(name)
    folders = (root / name for root in experiments())
    return next((folder for folder in folders if (folder / "sweep.yaml").is_file()), None)


def require_name(name: str) -> None:
    """Make sure that an experiment's name is the name of a folder, and of files.

    Raises:
        ConfigError: it is not.
    """
    if name in ("", ".", "..") or not name.isprintable() or {"/", "\\"} & set(name):
        raise ConfigError(
            f"experiment={name!r:.100}: not a name; an experiment is the folder experiments/NAME"
        )


def experiment_names() -> list[str]:
    """Return the names of all experiments, sorted."""
    return sorted(
        {path.parent.name for root in experiments() for path in root.glob("*/sweep.yaml")}
    )


def data_root() -> Path:
    """Return the default data root: ``$FOVEA_DATA``, else ``./data``, else ``~/.cache/fovea``."""
    if root := _folder("FOVEA_DATA"):
        return root
    local = Path.cwd() / "data"
    return local if local.is_dir() else Path.home() / ".cache" / "fovea"


def cache() -> Path:
    """Return the folder of decoded data sets: ``$FOVEA_CACHE``, else below ``~/.cache/fovea``."""
    return _folder("FOVEA_CACHE") or Path.home() / ".cache" / "fovea" / "decoded"


def outputs() -> Path:
    """Return the output root: ``$FOVEA_OUTPUTS``, else the checkout's, else ``./outputs``."""
    if root := _folder("FOVEA_OUTPUTS"):
        return root
    return (_CHECKOUT if _HOME == _CHECKOUT else Path.cwd()) / "outputs"


def _folder(variable: str) -> Path | None:
    """Return the folder that an environment variable names; it need not exist yet.

    Raises:
        ConfigError: it is something else, or cannot be looked at.
    """
    value = os.environ.get(variable)
    if not value:
        return None
    try:
        value.encode()  # a record is UTF-8
        folder = Path(value).expanduser()
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{variable}={shortened(value)}: not a folder")
    except (OSError, RuntimeError, UnicodeEncodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{variable}={shortened(value)}: not a folder ({reason})") from None
    return folder
