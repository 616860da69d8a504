"""Image files, and a CSV file that names them and their classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from fovea.config.errors import DataError
from fovea.data.image.source import Files, ImageFile, Source, Spec, Splits
from fovea.data.sources.csv_rows import check_delimiter, label_told, part_told, read_rows
from fovea.data.sources.image_files import class_name, name_below
from fovea.data.sources.text_files import check_encoding

_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class _Row:
    where: str
    image: str
    label: str
    part: str
    group: str | None


@dataclass(frozen=True)
class ImageCsv(Source):
    """Images of any size and mode whose names stand in a CSV file with a header, beside a label.

    The classes are the labels of the training part, sorted.

    Args:
        file: the CSV of the training part, or of all; below the data root, or absolute; plain,
            ``.gz`` or ``.xz``.
        val_file, test_file: those of the other parts, where they have files of their own.
        images: the folder of the images below that of their CSV; '' is that folder itself.
        image, label: the columns' names.
        suffix: what the names in the column lack, ``.jpg`` for instance.
        part: a column that says ``train``, ``val`` or ``test``; ``None``: all is to be split.
        group: a column whose equal values (a patient, say) are never split; ``None`` is none.
        delimiter: between fields.
        encoding: of the files.
    """

    file: str
    val_file: str | None = None
    test_file: str | None = None
    images: str = ""
    image: str = "image"
    label: str = "label"
    suffix: str = ""
    part: str | None = None
    group: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        check_delimiter(self.delimiter)

    def spec(self, root: Path) -> Spec:
        classes = {row.label for row in self._rows(self.file, "train", root) if row.part == "train"}
        if not classes:
            raise DataError(f"{root / self.file}: no row of the train part")
        return Spec(tuple(sorted(classes)), channels=3, image_size=None)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        numbers = {name: label for label, name in enumerate(self.spec(root).classes)}
        items: dict[str, list[ImageFile]] = {}
        labels: dict[str, list[int]] = {}
        files = {"train": self.file, "val": self.val_file, "test": self.test_file}
        for part, file in files.items():
            for row in self._rows(file, part, root) if file else ():
                if row.label not in numbers:
                    raise DataError(f"{row.where}: class '{row.label}' is in no training row")
                items.setdefault(row.part, []).append(self._item(row, file or "", root))
                labels.setdefault(row.part, []).append(numbers[row.label])
        parts = {
            part: Files(items[part], torch.tensor(labels[part])) for part in _PARTS if part in items
        }
        return Splits(parts["train"], parts.get("test"), parts.get("val"))

    def _rows(self, file: str, part: str, root: Path) -> Iterator[_Row]:
        path = root / Path(file).expanduser()
        more = [each for each in (self.part, self.group) if each is not None]
        columns = [self.image, self.label, *more]
        for line, (image, label, *values) in read_rows(
            path, columns, self.delimiter, self.encoding
        ):
            where, told = f"{path}:{line}", dict(zip(more, values, strict=True))
            yield _Row(
                where,
                image.strip() + self.suffix,
                class_name(label_told(label, self.label, where)),
                part_told(told[self.part], self.part, where) if self.part else part,
                told[self.group] if self.group else None,
            )

    def _item(self, row: _Row, file: str, root: Path) -> ImageFile:
        home = (root / Path(file).expanduser()).parent
        path = home / self.images / row.image
        try:
            inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(home))
            there = path.is_file()
        except (OSError, ValueError):  # ValueError: a NUL
            inside = there = False
        if there and not inside:
            raise DataError(
                f"{row.where}: '{row.image}' leads out of the folder of its CSV file and is not "
                "followed; put the image there"
            )
        if not there:
            raise DataError(
                f"{row.where}: no image '{name_below(path, root)}'; set data.source.images to its "
                "folder, data.source.suffix to what the name lacks, or remove the row"
            )
        return ImageFile(name_below(path, root), path, row.group)
