"""What a config may have built: which packages are trusted, and what fits in which place.

A config is data that may come from somebody else: a run's record, an experiment's file. A
``_target_`` in it is imported and called only where its package is trusted: fovea's own, some parts
of libraries (:data:`KINDS`), and what the user has named, in the environment variable
``FOVEA_TRUST=package[,other]`` or in lines of ``~/.config/fovea/trust``. ``fovea.config.build``
checks, further, what the name turns out to be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import reduce
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from fovea.config.errors import ConfigError
from fovea.config.keys import targets
from fovea.config.several import nodes


class Kind(NamedTuple):
    """What fits in one place of a config.

    Args:
        text: the rule, as an error message ends.
        base: type that a class must have, by inheritance or as a protocol; of several, one.
        packages: whose classes fit, beside fovea's and those that the user has named.
    """

    text: str
    base: str | tuple[str, ...]
    packages: tuple[str, ...] = ()


_NETWORKS = ("torch.nn", "torchvision", "timm")
KINDS: Mapping[str, Kind] = {
    "model": Kind("a model is an nn.Module", "torch.nn.Module", _NETWORKS),
    "loss": Kind("a loss is an nn.Module", "torch.nn.Module", (*_NETWORKS, "torchmetrics")),
    "optimizer": Kind(
        "an optimizer is a torch Optimizer, or a function whose annotation says it returns one",
        "torch.optim.Optimizer",
        ("torch.optim", "timm.optim"),
    ),
    "callbacks": Kind(
        "a callback is Lightning's", "pytorch_lightning.Callback", ("pytorch_lightning",)
    ),
    "data": Kind("data is fovea's Data, a LightningDataModule", "fovea.data.base.Data"),
    "source": Kind("a source has the methods of fovea's Source", "fovea.data.base.Source"),
    "augment": Kind("an augmentation is callable", "fovea.augment.protocol.Augmentation"),
    "schedule": Kind("a schedule is fovea's Schedule", "fovea.optim.schedules.Schedule"),
    "task": Kind("a task is fovea's Task", "fovea.problems.base.Task"),
    "predictions": Kind(
        "predictions are fovea's Predictions", "fovea.problems.predictions.Predictions"
    ),
    "trainer": Kind("it is fovea's TrainerSettings", "fovea.training.settings.TrainerSettings"),
    "probe": Kind("a probe is callable", "fovea.problems.probes.Probe"),
    "metrics": Kind("a metric is fovea's Metric", "fovea.problems.metrics.Metric"),
    "metric": Kind("it is a torchmetrics Metric", "torchmetrics.Metric", ("torchmetrics",)),
    "tracking": Kind(
        "a tracker has fovea's Tracker's methods, or is a Lightning logger",
        ("fovea.training.tracking.trackers.Tracker", "pytorch_lightning.loggers.Logger"),
        ("pytorch_lightning.loggers",),
    ),
    "launcher": Kind("a launcher has the method environments", "fovea.sweep.launchers.Launcher"),
}
FUNCTIONS = ("timm.create_model", "torchvision.models.get_model")  # for models; all else is a class
_LIBRARIES = {"torch", "torchvision", "timm", "torchmetrics", "pytorch_lightning", "lightning"}


def kind_of(key: str, around: str) -> str:
    """Return the kind of a node: its key's where that is one, else that of the node around it."""
    return key if key in KINDS else around


def require_trusted(config: Mapping[str, Any], where: str = "") -> None:
    """Check the name of every target in a config; nothing is imported.

    Args:
        config: its groups.
        where: the file or run it is from, for the message.

    Raises:
        ConfigError: a target's package is not trusted, or does not fit there.
    """
    for group in KINDS:
        for place, node in nodes(group, config):
            for path, target in targets(node, (place,)):
                kind = reduce(lambda around, key: kind_of(key, around), path[1:], group)
                if reason := refusal(kind, target):
                    raise ConfigError(line(".".join(path), target, reason, where))


def refusal(kind: str, target: Any) -> str | None:
    """Return why a target is not to be imported for a kind; ``None`` where it may be."""
    parts = target.split(".") if isinstance(target, str) else []
    if len(parts) < 2 or not all(map(str.isidentifier, parts)):
        return f"not the dotted path of a class; {KINDS[kind].text}"
    return refusal_of_module(kind, target)


def refusal_of_module(kind: str, module: str) -> str | None:
    """Return why nothing of a module fits a kind; ``None`` where its package is trusted."""
    sources = ("fovea", *KINDS[kind].packages)
    if is_within(module, (*sources, *named())):
        return None
    top = module.partition(".")[0]
    if top in _LIBRARIES or top in sys.stdlib_module_names:
        return f"{KINDS[kind].text}, from {', '.join(sources)} or a package that FOVEA_TRUST names"
    name = clean(top, 30)
    return (
        f"'{name}' is not trusted; if you trust its code: FOVEA_TRUST={name} "
        "(or a line in ~/.config/fovea/trust)"
    )


def line(path: str, target: object, reason: str, where: str = "") -> str:
    """Return the line that refuses a target."""
    prefix = f"{clean(where, 46)}: " if where else ""
    return f"{prefix}{clean(path, 30)}._target_={clean(target, 50)}: {reason}"


def clean(text: object, width: int) -> str:
    """Return what a file holds as printable text of limited width."""
    kept = "".join(each if each.isprintable() else "?" for each in str(text))
    return kept if len(kept) <= width else f"{kept[: width - 1]}…"


def is_within(name: str, packages: Sequence[str]) -> bool:
    """Whether a dotted name is one of the packages or lies below one."""
    return any(name == each or name.startswith(f"{each}.") for each in packages)


def named() -> tuple[str, ...]:
    """Return the packages that the user trusts."""
    text = os.environ.get("FOVEA_TRUST", "").replace(",", "\n")
    try:
        lines = [*text.splitlines(), *_read(_trust_file())]
    except OSError:  # the working folder is gone
        lines = text.splitlines()
    names = (each.partition("#")[0].strip() for each in lines)
    return tuple(name for name in names if all(map(str.isidentifier, name.split("."))))


def _trust_file() -> Path | None:
    """Return the user's file; one below the working folder came with that folder."""
    home = Path.home() / ".config"
    chosen = Path(os.environ.get("XDG_CONFIG_HOME") or home)
    if chosen != home and (
        not chosen.is_absolute() or chosen.resolve().is_relative_to(Path.cwd().resolve())
    ):
        return None
    return chosen / "fovea" / "trust"


def _read(file: Path | None) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines() if file else []
    except OSError:
        return []


def find_top_level(name: str) -> ModuleSpec | None:
    """Find a top-level module without importing it; in the working folder only if it is named."""
    return PathFinder.find_spec(name) or _WorkingFolder().find_spec(name, None)


def find_named_packages() -> None:
    """Let packages that the user has named be imported from the working folder.

    Nothing else there is importable: a ``torch.py`` that lies in it is not torch.
    """
    if not any(isinstance(finder, _WorkingFolder) for finder in sys.meta_path):
        sys.meta_path.append(_WorkingFolder())


class _WorkingFolder(MetaPathFinder):
    """Finds named packages in the working folder, where no other finder has found them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None and fullname in {each.partition(".")[0] for each in named()}:
            return PathFinder.find_spec(fullname, [str(Path.cwd())])
        return None
