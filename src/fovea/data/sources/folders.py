"""Which folders are the parts of a set of images, and which its classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fovea.config.errors import DataError, did_you_mean
from fovea.data.sources.image_files import (
    FoundFiles,
    class_name,
    find_beside,
    find_images,
    shown,
    subfolders,
)

_PARTS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}
_SAID_OF_PARTS = frozenset(_PART_OF) | {"eval", "evaluation", "holdout", "fold", "split"}
_SEPARATORS = re.compile(r"[\s._-]")
_ENDING = re.compile(r"(set|data|images|split)$")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")

Classes = dict[str, Path]  # each class's folder


@dataclass(frozen=True)
class FolderLayout:
    """Where the images of each part and class lie.

    Args:
        parts: the class folders of each part by the names that are shown; ``train`` is always one.
        top: the folder whose subfolders are parts or classes.
        beside: other files beside those folders.
    """

    parts: Mapping[str, Classes]
    top: Path
    beside: FoundFiles = field(default_factory=FoundFiles)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(self.parts["train"]))


def part_of(name: str) -> str | None:
    """Return the part that a folder or a file of this name is: train, val, test, or ``None``."""
    bare = _SEPARATORS.sub("", name).casefold()
    return _PART_OF.get(bare) or _PART_OF.get(_ENDING.sub("", bare))


def parts_of(names: Iterable[str], where: object) -> dict[str, str]:
    """Return which of some names is each part.

    Raises:
        DataError: two names are for one part.
    """
    parts: dict[str, str] = {}
    for name in names:
        if (part := part_of(name)) is None:
            continue
        if part in parts:
            raise DataError(
                f"{where}: both '{parts[part]}' and '{name}' are a {part} part; "
                "join or remove one of them"
            )
        parts[part] = name
    return parts


def find_layout(folder: Path) -> FolderLayout:
    """Find the parts and classes of a folder.

    Its subfolders are parts, or classes, or one wrapper around these; or each class has its parts
    within. What could be read in two ways is refused.

    Raises:
        DataError: no class folders, or an ambiguous layout; it says what was found and expected.
    """
    top = _unwrapped(folder)
    children = _named(top)
    parts = parts_of(children, top)
    beside = find_beside(top)
    if parts:
        for image in beside.images:
            beside.ignored[f"{image.suffix} beside parts"] += 1
        layout = _parts_above(top, children, parts, beside)
        for part in parts.values():
            beside += find_beside(children[part])
    else:
        layout = _classes_above(top, children, beside)
    _check(layout, top)
    beside.images.clear()
    return FolderLayout(layout, top, beside)


def _parts_above(
    top: Path, children: Classes, parts: Mapping[str, str], beside: FoundFiles
) -> dict[str, Classes]:
    others = {
        name: find_images(path) for name, path in children.items() if name not in parts.values()
    }
    for name, found in others.items():
        if found.ignored:
            beside.ignored[f"in {name}"] += found.ignored.total()
    if others := [name for name, found in others.items() if found.images]:
        raise DataError(
            f"{shown(top)}: {_listed(others)} beside {_listed(parts.values())}: parts or classes? "
            "Expected train, val, test folders alone, or class folders alone; rename or move others"
        )
    if "train" not in parts:
        raise DataError(f"{shown(top)}: {_listed(parts.values())} but no train folder")
    layout: dict[str, Classes] = {}
    for part in sorted(parts, key=list(_PARTS).index):
        folder = children[parts[part]]
        inner = subfolders(folder)
        if len(inner) == 1 and class_name(inner[0].name) not in layout.get("train", {}):
            folder = _unwrapped(folder, part=True)
        layout[part] = _class_folders(folder, find_beside(folder))
    return layout


def _classes_above(top: Path, children: Classes, beside: FoundFiles) -> dict[str, Classes]:
    within = {name: _named(path) for name, path in children.items()}
    named = {name: parts_of(inner, children[name]) for name, inner in within.items()}
    if any(named.values()):
        return _parts_below(top, children, within, named)
    words = {name: _words(name) & _SAID_OF_PARTS for name in children}
    suspects = [name for name in children if words[name] and within[name]]
    kinds = {_PART_OF.get(word, word) for each in words.values() for word in each}
    if suspects or len(kinds) > 1:
        found = suspects or [name for name in children if words[name]]
        raise DataError(
            f"{shown(top)}: are {_listed(found)} classes or parts? Call parts train, val, test, "
            "with a folder per class in each; rename classes whose names sound like parts"
        )
    return {"train": _class_folders(top, beside)}


def _parts_below(
    top: Path,
    children: Classes,
    within: Mapping[str, Classes],
    named: Mapping[str, Mapping[str, str]],
) -> dict[str, Classes]:
    """Return the layout of ``<class>/<part>/``."""
    layout: dict[str, Classes] = {}
    for name, parts in named.items():
        loose = find_beside(children[name]).images
        if len(parts) < len(within[name]) or loose or "train" not in parts:
            example = next(name for name, parts in named.items() if parts)
            part = next(iter(named[example].values()))
            raise DataError(
                f"{shown(top)}: '{example}/{part}' looks like a part within a class, but '{name}' "
                "does not hold train, val, test folders alone; expected <part>/<class>/ or "
                "<class>/<part>/ throughout"
            )
        for part, inner in parts.items():
            layout.setdefault(part, {})[name] = within[name][inner]
    return layout


def _unwrapped(folder: Path, *, part: bool = False) -> Path:
    """Return the folder within single wrapper folders; what is within a part is none itself."""
    inner = subfolders(folder)
    if len(inner) != 1 or not subfolders(inner[0]) or find_beside(folder).images:
        return folder
    if part_of(inner[0].name) and not part:
        return folder
    return _unwrapped(inner[0], part=part)


def _class_folders(folder: Path, beside: FoundFiles) -> Classes:
    classes = _named(folder)
    if not classes:
        raise DataError(
            f"{shown(folder)}: no class folders; put each class's images in a folder of its own"
        )
    if beside.images:
        raise DataError(
            f"{shown(folder)}: '{shown(beside.images[0].name)}' (images here: "
            f"{len(beside.images)}) beside the class folders {_listed(classes)}; move images into "
            "these, or elsewhere"
        )
    return classes


def _check(layout: Mapping[str, Classes], top: Path) -> None:
    train = layout["train"]
    for classes in layout.values():
        for name in sorted(classes.keys() - train.keys()):
            raise DataError(
                f"{shown(classes[name].parent)}: class '{name}' has no folder in the training part"
                f"{did_you_mean(name, train) or f' ({_listed(sorted(train))})'}"
            )
    if len(train) < 2:
        raise DataError(
            f"{shown(top)}: one class only, {_listed(train)}; expected a folder per class, or "
            "train/ and test/ with a folder per class in each"
        )


def _named(folder: Path) -> Classes:
    """Return the subfolders by the names that are shown."""
    named: Classes = {}
    for path in subfolders(folder):
        name = class_name(path.name)
        if name in named:
            raise DataError(
                f"{shown(folder)}: two folders are called '{name}', in composed and in decomposed "
                "Unicode; join them"
            )
        named[name] = path
    return named


def _words(name: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(name)}


def _listed(names: Iterable[str], count: int = 4) -> str:
    every: Sequence[str] = list(names)
    more = f" and {len(every) - count} more" if len(every) > count else ""
    return ", ".join(f"'{name}'" for name in every[:count]) + more
