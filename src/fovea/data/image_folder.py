"""Folders of image files, one folder per class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from fovea.config.errors import DataError
from fovea.data.source import Files, ImageFile, Source, Spec, Splits
from fovea.data.storage import missing

PART_NAMES = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}

_SUFFIXES = frozenset(
    [".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"]
)


@dataclass(frozen=True)
class ImageFolder(Source):
    """Images of any size and mode, in ``folder/<class>/`` or ``folder/{train,val,test}/<class>/``.

    ``valid`` and ``validation`` serve as ``val`` too. The classes are the folders of the training
    part, sorted by name. Their images may lie in folders of their own; hidden files and files that
    are no images by their suffix are ignored.

    Args:
        folder: below the data root, or absolute.
    """

    folder: str

    def spec(self, root: Path) -> Spec:
        classes = _classes(self._parts(root)["train"])
        return Spec(classes=classes, channels=3, image_size=None)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        parts = self._parts(root)
        classes = _classes(parts["train"])
        read = {name: _read_part(folder, classes, root) for name, folder in parts.items()}
        return Splits(train=read["train"], val=read.get("val"), test=read.get("test"))

    def _parts(self, root: Path) -> Mapping[str, Path]:
        """Return the folder of each part there is; ``train`` is always one of them."""
        folder = root / Path(self.folder).expanduser()
        if not folder.is_dir():
            raise missing("<class>/<image> files", folder)
        parts = {
            part: folder / name
            for part, names in PART_NAMES.items()
            for name in names
            if (folder / name).is_dir()
        }
        if not parts:
            return {"train": folder}
        if "train" not in parts:
            raise DataError(f"{folder}: {', '.join(sorted(parts))} but no train folder")
        return parts


def _classes(folder: Path) -> tuple[str, ...]:
    names = (path.name for path in folder.iterdir() if path.is_dir())
    classes = tuple(sorted(name for name in names if not name.startswith((".", "__"))))
    if not classes:
        raise DataError(
            f"{folder}: no class folders; put each class's images in a folder of its own"
        )
    return classes


def _read_part(folder: Path, classes: tuple[str, ...], root: Path) -> Files:
    unknown = sorted(set(_classes(folder)) - set(classes))
    if unknown:
        raise DataError(f"{folder}: class '{unknown[0]}' has no folder in the training part")
    items: list[ImageFile] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():
            continue
        paths = image_files(folder / name)
        if not paths:
            raise DataError(
                f"{folder / name}: no images ({' '.join(sorted(_SUFFIXES))}) in this class"
            )
        items += [ImageFile(_name(path, root), path) for path in paths]
        labels += [label] * len(paths)
    return Files(items, torch.tensor(labels))


def image_files(folder: Path) -> list[Path]:
    """Return the image files below a folder, hidden ones left out, sorted by path."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
