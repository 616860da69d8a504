"""Image files below a folder: known by suffix or content, links followed, what is left counted."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fovea.config.regular import open_regular

_KINDS = "avif bmp dib gif j2k jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tif tiff webp"
SUFFIXES = frozenset(f".{kind}" for kind in _KINDS.split(" "))
_CONTENT = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\0{4}|II\*\0|MM\0\*|RIFF.{4}WEBP"
    rb"|.{4}ftypavif|\0\0\0\x0cjP  |\xff\x4f\xff\x51"
    rb"|P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s",
    re.DOTALL,
)
_HEAD = 128  # bytes in which the content is known

_SYSTEM = frozenset(  # folders that systems and network drives leave, in lower case
    ["@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin"]
) | {"lost+found", "system volume information", "__macosx", "__pycache__"}


@dataclass
class FoundFiles:
    """The image files below a folder, and what is there besides.

    Args:
        images: sorted by path.
        ignored: how many other files there are of each kind.
        linked: images that are links, or lie in linked folders.
        outside: those that lead out of the data root.
    """

    images: list[Path] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    linked: int = 0
    outside: int = 0

    def __iadd__(self, other: FoundFiles) -> FoundFiles:
        self.images += other.images
        self.ignored += other.ignored
        self.linked += other.linked
        self.outside += other.outside
        return self

    def line(self, folder: str) -> str:
        """Say in one line which files of a folder are used."""
        text = f"{folder}: {len(self.images)} files used"
        if self.linked:
            text += f", {self.linked} of them through links"
        if self.outside:
            leads = "leads" if self.outside == 1 else "lead"
            text += f" ({self.outside} {leads} out of the data root)"
        if self.ignored:
            listed = ", ".join(f"{count} {kind}" for kind, count in self.ignored.most_common(8))
            text += f"; ignored: {listed}"
        return text


def shown(name: str | Path) -> str:
    """Return a file's name with bytes that are no text as escapes: it can be written anywhere."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def name_below(path: Path, root: Path) -> str:
    """Return what errors and tables call a file: the same wherever the data root is."""
    return shown(path.relative_to(root) if path.is_relative_to(root) else path)


def class_name(name: str) -> str:
    """Return a class's name in composed Unicode form, whatever system wrote it."""
    return unicodedata.normalize("NFC", shown(name))


def find_images(folder: Path, root: Path | None = None) -> FoundFiles:
    """Find the images below a folder, in folders of their own too; links are followed.

    Hidden files, system folders and other kinds of files are left out and counted. A link to a
    folder that it lies in is not followed.

    Args:
        folder: where to look.
        root: links may lead below it, too, without being counted as leading outside.
    """
    walk = _Walk(homes=[Path(os.path.realpath(each)) for each in {folder, root or folder}])
    walk.visit(folder, above=(), linked=folder.is_symlink(), outside=walk.leaves(folder))
    walk.found.images.sort()
    return walk.found


def find_beside(folder: Path) -> FoundFiles:
    """Find what lies directly in a folder, beside its subfolders."""
    walk = _Walk(homes=[], deep=False)
    walk.visit(folder, above=(), linked=False, outside=False)
    walk.found.images.sort()
    return walk.found


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, links to folders too, sorted; none of the system's."""
    return sorted(
        Path(entry.path) for entry in _entries(folder) if entry.is_dir() and not _system(entry)
    )


@dataclass
class _Walk:
    homes: list[Path]
    deep: bool = True
    found: FoundFiles = field(default_factory=FoundFiles)

    def visit(
        self, folder: Path, above: tuple[tuple[int, int], ...], *, linked: bool, outside: bool
    ) -> None:
        """Go through a folder; ``above`` identifies the folders that it lies in."""
        stat = folder.stat()
        above = (*above, (stat.st_dev, stat.st_ino))
        for entry in _entries(folder):
            is_link = entry.is_symlink()
            leads_out = outside or (is_link and self.leaves(Path(entry.path)))
            if entry.is_dir():
                path = Path(entry.path)
                stat = path.stat()
                if _system(entry):
                    kind = "hidden" if _hidden(entry) else f"in {entry.name}"
                    self.found.ignored[kind] += sum(len(names) for _, _, names in os.walk(path))
                elif (stat.st_dev, stat.st_ino) in above:
                    self.found.ignored["links to a folder around them"] += 1
                elif self.deep:
                    self.visit(path, above, linked=linked or is_link, outside=leads_out)
            elif kind := _kind(entry, is_link):
                self.found.ignored[kind] += 1
            else:
                self.found.images.append(Path(entry.path))
                self.found.linked += linked or is_link
                self.found.outside += leads_out

    def leaves(self, path: Path) -> bool:
        target = Path(os.path.realpath(path))
        return not any(target.is_relative_to(home) for home in self.homes)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _hidden(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".")


def _system(entry: os.DirEntry[str]) -> bool:
    return _hidden(entry) or entry.name.casefold() in _SYSTEM


def _kind(entry: os.DirEntry[str], is_link: bool) -> str:
    """Return why a file is no image of the set; '' for one that is."""
    if _hidden(entry):
        return "hidden"
    if not entry.is_file():
        return "broken links" if is_link else "no regular files"
    suffix = Path(entry.name).suffix.lower()
    if suffix in SUFFIXES or _has_image_content(Path(entry.path)):
        return ""  # what is broken in it is reported when it is decoded
    return shown(suffix) or "without suffix"


def _has_image_content(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return _CONTENT.match(file.read(_HEAD)) is not None
    except OSError:
        return False
