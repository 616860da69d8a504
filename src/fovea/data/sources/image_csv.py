"""Image files, and a CSV file that names them and their classes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from fovea.config.errors import DataError
from fovea.data.image.source import Files, ImageFile, Source, Spec, Splits
from fovea.data.sources.csv_rows import PARTS, CsvColumns, CsvRow
from fovea.data.sources.image_files import class_name, name_below


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
        _ = self._columns

    def spec(self, root: Path) -> Spec:
        rows = self._columns.read(self._path(self.file, root))
        classes = {class_name(row.label) for row in rows if row.part == "train"}
        if not classes:
            raise DataError(f"{root / self.file}: no row of the train part")
        return Spec(tuple(sorted(classes)), channels=3, image_size=None)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        numbers = {name: label for label, name in enumerate(self.spec(root).classes)}
        items: dict[str, list[ImageFile]] = {}
        labels: dict[str, list[int]] = {}
        files = {"train": self.file, "val": self.val_file, "test": self.test_file}
        for part, file in files.items():
            if file is None:
                continue
            path = self._path(file, root)
            for row in self._columns.read(path, part):
                where, label = f"{path}:{row.line}", class_name(row.label)
                if label not in numbers:
                    raise DataError(f"{where}: class '{label}' is in no training row")
                items.setdefault(row.part, []).append(self._item(row, path.parent, root, where))
                labels.setdefault(row.part, []).append(numbers[label])
        parts = {
            part: Files(items[part], torch.tensor(labels[part])) for part in PARTS if part in items
        }
        return Splits(parts["train"], parts.get("test"), parts.get("val"))

    @property
    def _columns(self) -> CsvColumns:
        return CsvColumns(
            self.image, self.label, self.part, self.group, self.delimiter, self.encoding
        )

    @staticmethod
    def _path(file: str, root: Path) -> Path:
        return root / Path(file).expanduser()

    def _item(self, row: CsvRow, home: Path, root: Path, where: str) -> ImageFile:
        """Return the image of a row; it lies below the folder of the CSV file."""
        name = row.sample.strip() + self.suffix
        path = home / self.images / name
        try:
            inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(home))
            there = path.is_file()
        except (OSError, ValueError):  # ValueError: a NUL
            inside = there = False
        if there and not inside:
            raise DataError(
                f"{where}: '{name}' leads out of the folder of its CSV file and is not followed; "
                "put the image there"
            )
        if not there:
            raise DataError(
                f"{where}: no image '{name_below(path, root)}'; set data.source.images to its "
                "folder, data.source.suffix to what the name lacks, or remove the row"
            )
        return ImageFile(name_below(path, root), path, row.group)
