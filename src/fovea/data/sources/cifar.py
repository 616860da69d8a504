"""CIFAR-10 and CIFAR-100 in the three layouts they are handed round in (Krizhevsky 2009)."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fovea.config.errors import DataError, did_you_mean
from fovea.data.image.decode import decode_many
from fovea.data.image.source import Images, Source, Spec, Splits
from fovea.data.sources.huggingface import HuggingFace
from fovea.data.sources.image_folder import ImageFolder
from fovea.data.sources.pickled import read_plain
from fovea.data.sources.storage import fetch, missing, opened, read_bytes

CifarFiles = Literal["batches", "archive", "parquet", "folders"]

_SIDE = 32
_MEMBERS = 1000  # of an archive, at most; the two have nine and five
_BATCH_BYTES = 2**29  # of one of them, at most; the largest has 155 MB


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@dataclass(frozen=True)
class _Variant:
    batches: str  # folder of the pickled batches, in the archive too
    archive: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_key: str
    label_column: str
    classes: tuple[str, ...]


_VARIANTS = {
    "CIFAR10": _Variant(
        batches="cifar-10-batches-py",
        archive="cifar-10-python.tar.gz",
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test=("test_batch",),
        label_key="labels",
        label_column="label",
        classes=_words("airplane automobile bird cat deer dog frog horse ship truck"),
    ),
    "CIFAR100": _Variant(
        batches="cifar-100-python",
        archive="cifar-100-python.tar.gz",
        train=("train",),
        test=("test",),
        label_key="fine_labels",
        label_column="fine_label",
        classes=_words(
            """
            apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
            butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach
            couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster
            house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
            motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
            pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket
            rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
            sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip
            turtle wardrobe whale willow_tree wolf woman worm
            """
        ),
    ),
}
_MISSPELT = {"cra": "crab"}  # in the metadata of the hub's uoft-cs/cifar100


@dataclass(frozen=True)
class Cifar(Source):
    """50,000 training and 10,000 test images, 32×32 RGB; CIFAR-100 with its fine labels.

    Of these layouts, the first found in ``folder`` is read: the pickled batches, extracted or in
    the ``.tar.gz`` they come in; the hub's Parquet files; folders of images, ``train/<class>/`` and
    ``test/<class>/``. Their rows differ in order, and so do their fingerprints.

    Args:
        folder: below the data root.
        dataset: which of the two; torchvision's name.
    """

    folder: str = "cifar10"
    dataset: Literal["CIFAR10", "CIFAR100"] = "CIFAR10"

    def spec(self, root: Path) -> Spec:
        self._layout(root)
        return Spec(classes=self._variant.classes, channels=3, image_size=_SIDE)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        folder, variant = root / self.folder, self._variant
        names = (*variant.train, *variant.test)
        match self._layout(root):
            case "batches":
                path = folder / variant.batches
                return self._read_batches(_batches_in_folder(path, names), path)
            case "archive":
                path = folder / variant.archive
                return self._read_batches(_batches_in_archive(path, variant.batches, names), path)
            case "parquet":
                source = HuggingFace(folder=self.folder, label_column=variant.label_column)
            case "folders":
                source = ImageFolder(self.folder)
        self._check_classes(source.spec(root).classes, folder)
        return _decoded(source.read(root, skip_bad=skip_bad), skip_bad=skip_bad)

    def download(self, root: Path) -> None:
        """Fetch the archive with torchvision's address and checksum; it is read unextracted.

        Raises:
            DataError: no network, or no permission to write.
        """
        if self._find_layout(root) is None:
            import torchvision.datasets  # 4 s

            dataset = getattr(torchvision.datasets, self.dataset)
            fetch([dataset.url], root / self.folder / self._variant.archive, dataset.tgz_md5)

    @property
    def _variant(self) -> _Variant:
        return _VARIANTS[self.dataset]

    def _find_layout(self, root: Path) -> CifarFiles | None:
        folder = root / self.folder
        if (folder / self._variant.batches).is_dir():
            return "batches"
        if (folder / self._variant.archive).exists():
            return "archive"
        if any(folder.rglob("train[-.]*parquet")):
            return "parquet"
        if (folder / "train").is_dir():
            return "folders"
        return None

    def _layout(self, root: Path) -> CifarFiles:
        layout = self._find_layout(root)
        if layout is None:
            variant = self._variant
            wanted = f"{variant.batches}/, {variant.archive}, train-*.parquet or train/<class>/"
            raise missing(wanted, root / self.folder, downloadable=True)
        return layout

    def _check_classes(self, found: Sequence[str], folder: Path) -> None:
        known = self._variant.classes
        names = tuple(_MISSPELT.get(name, name) for name in found)
        if names in (known, tuple(map(str, range(len(known))))):
            return
        for name in names:
            if name not in known:
                raise DataError(f"{folder}: unknown class '{name}'{did_you_mean(name, known)}")
        absent = [name for name in known if name not in names]
        reason = f"no class '{absent[0]}'" if absent else "the classes are in another order"
        raise DataError(f"{folder}: {reason}; {self.dataset} has {', '.join(known[:3])}, …")

    def _read_batches(self, batches: Mapping[str, bytes | bytearray], folder: Path) -> Splits:
        variant = self._variant

        def part(names: Sequence[str]) -> Images:
            read = [_read_batch(batches, name, variant, folder) for name in names]
            pixels, labels = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
            channels_last = pixels.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
            return Images(
                pixels=torch.from_numpy(np.ascontiguousarray(channels_last)),
                labels=torch.from_numpy(labels),
            )

        return Splits(train=part(variant.train), test=part(variant.test))


def _decoded(splits: Splits, *, skip_bad: bool) -> Splits:
    parts: dict[str, Images] = {}
    skipped: list[str] = []
    for name in ("train", "val", "test"):
        files = getattr(splits, name)
        if files is None:
            continue
        index = range(len(files))
        pixels, kept, bad = decode_many(files, index, (_SIDE, _SIDE), 3, skip_bad=skip_bad)
        parts[name] = Images(pixels, files.labels[kept])
        skipped += bad
    return Splits(parts["train"], parts.get("test"), parts.get("val"), skipped)


def _batches_in_folder(folder: Path, names: Sequence[str]) -> dict[str, bytearray]:
    return {name: read_bytes(folder / name) for name in names if (folder / name).exists()}


def _batches_in_archive(path: Path, folder: str, names: Sequence[str]) -> dict[str, bytes]:
    """Return the named members' content; nothing is extracted, links are not followed."""
    wanted = {f"{folder}/{name}": name for name in names}
    batches: dict[str, bytes] = {}
    with opened(path) as stream:
        try:
            with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:
                for count, member in enumerate(archive):
                    if count == _MEMBERS:
                        raise DataError(f"{path}: more than {_MEMBERS} files, not {path.name}")
                    if member.name not in wanted or not member.isreg():
                        continue
                    if member.size > _BATCH_BYTES:
                        raise DataError(f"{path}: {member.name} claims {member.size:,} bytes")
                    content = archive.extractfile(member)
                    assert content is not None  # as for every regular file
                    batches[wanted[member.name]] = content.read()
        except tarfile.TarError as error:
            raise OSError(error) from error
    return batches


def _read_batch(
    batches: Mapping[str, bytes | bytearray], name: str, variant: _Variant, where: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pixels ``(N, 3072)``, channel by channel, and labels."""
    if name not in batches:
        raise DataError(f"{where}: no {name}")
    try:
        batch = read_plain(batches[name])
        pixels, labels = batch["data"], _integers(batch[variant.label_key])
    except (KeyError, ValueError) as error:
        raise DataError(f"{where / name}: not a batch of {variant.archive} ({error})") from error
    shape = (len(labels), 3 * _SIDE**2)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != shape:
        raise DataError(f"{where / name}: data is not uint8 of shape {shape}")
    highest = len(variant.classes) - 1
    for row in np.flatnonzero((labels < 0) | (labels > highest)):
        raise DataError(f"{where / name}, row {row}: label {labels[row]} is outside 0–{highest}")
    return pixels, labels


def _integers(labels: Any) -> NDArray[np.int64]:
    if isinstance(labels, np.ndarray) and labels.ndim == 1:
        return labels.astype(np.int64)
    if type(labels) is not list or not all(type(label) is int for label in labels):
        raise ValueError("labels that are no integers")
    return np.array(labels, np.int64)
