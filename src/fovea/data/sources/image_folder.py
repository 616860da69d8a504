"""Folders of image files, one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import torch

from fovea.config.errors import DataError
from fovea.data.image.source import Files, ImageFile, Source, Spec, Splits
from fovea.data.sources.folders import Classes, FolderLayout, find_layout
from fovea.data.sources.image_files import SUFFIXES, FoundFiles, find_images, name_below, shown
from fovea.data.sources.storage import missing


@dataclass(frozen=True)
class ImageFolder(Source):
    """Images of any size and mode, in ``folder/<class>/`` or ``folder/{train,val,test}/<class>/``.

    :func:`~fovea.data.sources.folders.find_layout` says which other names and layouts are parts.
    The classes are the folders of the training part, sorted by name. Their images may lie in
    folders of their own, or be links; :func:`~fovea.data.sources.image_files.find_images` says what
    an image is.

    Args:
        folder: below the data root, or absolute.
        exclude: patterns (``*_mask.png``, ``thumbs/*``) of images that are left out, as
            :func:`fnmatch.fnmatch` reads them: of their path within the class's folder.
    """

    folder: str
    exclude: Sequence[str] = ()

    def spec(self, root: Path) -> Spec:
        return Spec(classes=self._layout(root).classes, channels=3, image_size=None)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        layout = self._layout(root)
        found = FoundFiles()
        found += layout.beside
        read = {
            name: self._read_part(folders, layout.classes, root, found)
            for name, folders in layout.parts.items()
        }
        notes = [found.line(name_below(layout.top, root))]
        return Splits(read["train"], read.get("test"), read.get("val"), notes=notes)

    def _read_part(
        self, folders: Classes, classes: tuple[str, ...], root: Path, found: FoundFiles
    ) -> Files:
        items: list[ImageFile] = []
        labels: list[int] = []
        for label, name in enumerate(classes):
            if name not in folders:
                continue
            here = find_images(folders[name], root)
            if excluded := [path for path in here.images if self._excluded(path, folders[name])]:
                here.images = sorted(set(here.images) - set(excluded))
                here.ignored["excluded"] += len(excluded)
            if not here.images:
                kinds = " ".join(sorted(SUFFIXES))
                raise DataError(f"{shown(folders[name])}: no images ({kinds}) in this class")
            items += [ImageFile(name_below(path, root), path) for path in here.images]
            labels += [label] * len(here.images)
            found += here
        return Files(items, torch.tensor(labels))

    def _excluded(self, path: Path, folder: Path) -> bool:
        within = path.relative_to(folder).as_posix()
        return any(fnmatch(within, pattern) for pattern in self.exclude)

    def _layout(self, root: Path) -> FolderLayout:
        folder = root / Path(self.folder).expanduser()
        if not folder.is_dir():
            raise missing("<class>/<image> files", folder)
        return find_layout(folder)
