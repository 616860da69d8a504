"""Folders, or a tar file, of images and of masks of the same names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from fovea.config.errors import ConfigError, DataError, did_you_mean
from fovea.config.types import NonNegativeInt
from fovea.data.image.source import ImageFile, Spec
from fovea.data.segmentation.coding import Coding
from fovea.data.segmentation.source import MaskSource, Pair, Pairs
from fovea.data.sources.archive import read_tar
from fovea.data.sources.folders import part_of, parts_of
from fovea.data.sources.image_files import FoundFiles, find_images, name_below, shown
from fovea.data.sources.storage import missing

_EXPECTED = "images/ and masks/ of the same names, or train/ val/ test/ of such"
_PARTS = ("train", "val", "test")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class MaskFolder(MaskSource):
    """Images, and beside each a mask of the same name but for its ending.

    Args:
        folder: below the data root, or absolute: a folder, or a tar file that is read in place.
        classes: what is stored of each class; see :class:`~fovea.data.segmentation.coding.Coding`.
        ignored: the values that are of no class.
        channels: 1 (grey) or 3 (RGB) of the images.
        parts: of each part, ``[folder of images, folder of masks]``; ``None`` finds ``images/`` and
            ``masks/``, in ``train/``, ``val/`` and ``test/`` or by themselves.
        test_last: so many of the training images, the last by the numbers in their names, are the
            test part.
    """

    folder: str
    classes: Mapping[str, Any]
    ignored: Sequence[int | str] = ()
    channels: Literal[1, 3] = 3
    parts: Mapping[str, Sequence[str]] | None = None
    test_last: NonNegativeInt = 0

    def coding(self) -> Coding:
        return Coding(self.classes, self.ignored)

    def spec(self, root: Path) -> Spec:
        return Spec(self.coding().names, self.channels, image_size=None)

    def read(self, root: Path, *, skip_bad: bool) -> Pairs:
        place = root / Path(self.folder).expanduser()
        if place.is_dir():
            found = find_images(place, root)
            content: Mapping[str, Path | bytes] = {
                path.relative_to(place).as_posix(): path for path in found.images
            }
        elif place.is_file():
            content, found = read_tar(place)
        else:
            tar = place.suffix == ".tar"
            raise missing(place.name, place.parent) if tar else missing(_EXPECTED, place)
        name = name_below(place, root)
        used = FoundFiles(ignored=found.ignored, linked=found.linked, outside=found.outside)
        parts: dict[str, list[Pair]] = {}
        for part, (images, masks) in self._layout(content, name).items():
            parts[part], alone = _paired(content, images, masks, name)
            files = [file for pair in parts[part] for file in (pair.image, pair.mask)]
            used.images += [Path(file.name) for file in files]
            if alone:
                used.ignored[f"masks without an image in {masks}"] += alone
        if self.test_last:
            parts |= self._last(parts, name)
        return Pairs(parts, [used.line(name)])

    def _layout(self, content: Mapping[str, Any], name: str) -> dict[str, tuple[str, str]]:
        """Return of each part the folder of its images and that of its masks."""
        if self.parts is not None:
            if unknown := [part for part in self.parts if part not in _PARTS]:
                near = did_you_mean(unknown[0], _PARTS)
                raise ConfigError(f"data.source.parts.{unknown[0]}: unknown{near}")
            if wrong := [part for part, pair in self.parts.items() if len(pair) != 2]:
                raise ConfigError(f"data.source.parts.{wrong[0]}: should be [images, masks]")
            found = {part: (pair[0], pair[1]) for part, pair in self.parts.items()}
        else:
            tops = {PurePosixPath(each).parts[0] for each in content}
            named = parts_of(sorted(top for top in tops if part_of(top)), name)
            found = {part: (f"{top}/images", f"{top}/masks") for part, top in named.items()}
            if not found:
                found = {"train": ("images", "masks")}
        if "train" not in found:
            raise DataError(f"{name}: {', '.join(found)} but no train part")
        return {part: found[part] for part in _PARTS if part in found}

    def _last(self, parts: Mapping[str, list[Pair]], name: str) -> dict[str, list[Pair]]:
        train = sorted(parts["train"], key=_by_number)
        if "test" in parts or self.test_last >= len(train):
            why = "has a test part" if "test" in parts else f"has {len(train)} to train on"
            raise ConfigError(f"data.source.test_last={self.test_last}: {name} {why}")
        return {"train": train[: -self.test_last], "test": train[-self.test_last :]}


def _paired(
    content: Mapping[str, Path | bytes], images: str, masks: str, where: str
) -> tuple[list[Pair], int]:
    """Return the images of one folder with the masks of another, and how many masks are left."""
    of_images, of_masks = _below(content, images, where), _below(content, masks, where)
    pairs = []
    for stem, name in of_images.items():
        if stem not in of_masks:
            raise DataError(f"{where}/{shown(name)}: no mask of the same name in {masks}")
        files = [ImageFile(f"{where}/{each}", content[each]) for each in (name, of_masks[stem])]
        pairs.append(Pair(*files))
    if not pairs:
        raise DataError(f"{where}: no images in {images}; expected {_EXPECTED}")
    return pairs, len(of_masks.keys() - of_images.keys())


def _below(content: Mapping[str, Any], folder: str, where: str) -> dict[str, str]:
    """Return what lies below a folder: by its path there without its ending, sorted."""
    found: dict[str, str] = {}
    prefix = f"{folder.rstrip('/')}/"
    for name in sorted(each for each in content if each.startswith(prefix)):
        stem = str(PurePosixPath(name[len(prefix) :]).with_suffix(""))
        if stem in found:
            raise DataError(
                f"{where}: {shown(found[stem])} and {shown(name)} have the same name; remove one"
            )
        found[stem] = name
    return found


def _by_number(pair: Pair) -> list[Any]:
    pieces = _DIGITS.split(pair.image.name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]
