"""Folders of text files, one folder per class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from fovea.config.errors import DataError, did_you_mean
from fovea.data.sources.folders import parts_of
from fovea.data.sources.image_files import class_name, name_below, subfolders
from fovea.data.sources.storage import missing
from fovea.data.sources.text_files import check_encoding, read_decoded
from fovea.data.text.source import LabelledTexts, TextSet, TextSource

_SUFFIX = ".txt"

_Folders = Mapping[str, Path]  # each class's folder


@dataclass(frozen=True)
class TextFolder(TextSource):
    """Texts in ``folder/<class>/*.txt``, or ``folder/{train,val,test}/<class>/*.txt``.

    A file is a text. The classes are the folders of the training part, sorted by name; other files
    are left out and counted. scikit-learn's ``load_files`` reads the first layout, and IMDB's
    reviews come in the second.

    Args:
        folder: below the data root, or absolute.
        encoding: of the files.
    """

    folder: str
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)

    def read(self, root: Path) -> TextSet:
        top = root / Path(self.folder).expanduser()
        if not top.is_dir():
            raise missing("<class>/<name>.txt files", top)
        parts = _parts(top)
        classes = tuple(sorted(parts["train"]))
        ignored = 0
        read: dict[str, LabelledTexts] = {}
        for part, folders in parts.items():
            paths: list[Path] = []
            labels: list[int] = []
            for name in sorted(folders):
                if name not in classes:
                    near = did_you_mean(name, classes)
                    raise DataError(f"{folders[name]}: no such class in the training part{near}")
                files = sorted(path for path in folders[name].iterdir() if path.is_file())
                found = [path for path in files if _is_text(path)]
                if not found:
                    raise DataError(f"{folders[name]}: no {_SUFFIX} file in this class")
                ignored += len(files) - len(found)
                paths += found
                labels += [classes.index(name)] * len(found)
            texts = [read_decoded(path, self.encoding) for path in paths]
            names = [name_below(path, root) for path in paths]
            read[part] = LabelledTexts(texts, torch.tensor(labels), names)
        note = f"{name_below(top, root)}: {sum(map(len, read.values()))} files used"
        return TextSet(classes, read, [f"{note}; ignored: {ignored}" if ignored else note])


def _parts(top: Path) -> dict[str, _Folders]:
    children = _classes(top)
    parts = parts_of(children, top)
    if not parts:
        return {"train": children}
    if others := [f"'{name}'" for name in children if name not in parts.values()]:
        raise DataError(
            f"{top}: {', '.join(others[:4])} beside train, val, test; move it elsewhere"
        )
    if "train" not in parts:
        raise DataError(f"{top}: {' and '.join(parts.values())}, but no train folder")
    return {part: _classes(children[name]) for part, name in parts.items()}


def _classes(folder: Path) -> dict[str, Path]:
    classes = {class_name(path.name): path for path in subfolders(folder)}
    if not classes:
        raise DataError(f"{folder}: no folders in it; put each class's texts in a folder")
    return classes


def _is_text(path: Path) -> bool:
    return path.suffix.lower() == _SUFFIX and not path.name.startswith(".")
