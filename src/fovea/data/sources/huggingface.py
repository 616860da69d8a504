"""Image-classification sets of the Hugging Face hub, by name or as local Parquet files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from fovea.config.errors import ConfigError, DataError, did_you_mean, shortened
from fovea.data.image.source import Files, ImageFile, Source, Spec, Splits
from fovea.data.sources.folders import part_of, parts_of
from fovea.data.sources.image_files import class_name
from fovea.data.sources.parquet import CLASSES, Shard, open_shard
from fovea.data.sources.storage import missing

_FEW = 1000  # classes that a set without names may have, however few its rows
_AT_ONCE = 64  # rows


@dataclass(frozen=True)
class HuggingFace(Source):
    """Encoded images of any size and mode with a label.

    Local sets are read from ``{train,validation,test}-*.parquet`` anywhere below ``folder``; those
    of the hub lie in the ``datasets`` library's own cache. Labels are numbers in a list of names:
    where a shard's list is another than the first's, they are matched by name. Or they are the
    names: the classes are then those of the training part, sorted.

    Args:
        name: the set's name on the hub; needs the ``datasets`` library.
        subset: the hub's name of a configuration, where the set has several.
        revision: branch, tag or commit on the hub.
        folder: of the Parquet files, below the data root or absolute; instead of ``name``.
        image_column: ``None`` finds the one column of bytes, or of structs with ``bytes``.
        label_column: ``None`` finds the one column of class labels or, failing that, of integers
            or, failing that, of text.

    Raises:
        ConfigError: not exactly one of ``name`` and ``folder``, or a key of the hub beside
            ``folder``.
    """

    name: str | None = None
    subset: str | None = None
    revision: str | None = None
    folder: str | None = None
    image_column: str | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        if (self.name is None) == (self.folder is None):
            raise ConfigError(
                "data.source: set either name=… (a set on the hub) or folder=… (Parquet files)"
            )
        for key in ("subset", "revision"):
            if self.folder is not None and getattr(self, key) is not None:
                raise ConfigError(
                    f"data.source.{key}={getattr(self, key)}: has no effect on Parquet files; "
                    "leave it out, or set data.source.name instead of folder"
                )

    def spec(self, root: Path) -> Spec:
        classes, _ = self._classes(self._tables(root).parts)
        return Spec(classes=classes, channels=3, image_size=None)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        tables = self._tables(root)
        classes, where = self._classes(tables.parts)
        parts = {name: self._read_part(part, classes, where) for name, part in tables.parts.items()}
        notes = [f"not used: {', '.join(tables.unused)}"] if tables.unused else []
        return Splits(parts["train"], parts.get("test"), parts.get("val"), notes=notes)

    def _tables(self, root: Path) -> _Tables:
        if self.folder is not None:
            return _local(root / Path(self.folder).expanduser())
        assert self.name is not None
        return _from_hub(self.name, self.subset, self.revision)

    def _classes(self, parts: Mapping[str, Sequence[Shard]]) -> tuple[tuple[str, ...], str]:
        """Return the first list of class names there is, and the shard that has it."""
        for shard in chain.from_iterable(parts.values()):
            if names := self._names(shard):
                return names, shard.name
        train = parts["train"]
        if self._told_by_name(train[0]):
            return self._values(train), train[0].name
        most = min(CLASSES, max(_FEW, sum(shard.rows for shard in train)))
        highest = max(_highest(shard, self._columns(shard)[1], most) for shard in train)
        return tuple(map(str, range(highest + 1))), train[0].name

    def _names(self, shard: Shard) -> tuple[str, ...]:
        """Return the class names of a shard's labels; none where it has none of its own."""
        _, column = self._columns(shard)
        return tuple(map(class_name, _class_names(shard).get(column, ())))

    def _told_by_name(self, shard: Shard) -> bool:
        return _holds_text(shard.schema.field(self._columns(shard)[1]))

    def _values(self, shards: Sequence[Shard]) -> tuple[str, ...]:
        """Return the labels that occur, where they are names."""
        found: set[str] = set()
        for shard in shards:
            for (value,) in shard.values(self._columns(shard)[1]):
                if value:
                    found.add(class_name(value))
                if len(found) > CLASSES:
                    raise DataError(f"{shard.name}: more than {CLASSES:,} classes")
        return tuple(sorted(found))

    def _columns(self, shard: Shard) -> tuple[str, str]:
        schema = shard.schema
        images = [field.name for field in schema if _holds_images(field)]
        integers = [field.name for field in schema if pa.types.is_integer(field.type)]
        labelled = [name for name in _class_names(shard) if name in integers]
        texts = [field.name for field in schema if _holds_text(field)]
        labels = [*integers, *texts] if self.label_column else labelled or integers or texts
        return (
            _choose(self.image_column, images, "image_column", shard),
            _choose(self.label_column, labels, "label_column", shard),
        )

    def _read_part(self, shards: Sequence[Shard], classes: tuple[str, ...], where: str) -> Files:
        items: list[ImageFile] = []
        labels: list[int] = []
        for shard in shards:
            image, label = self._columns(shard)
            numbers: Mapping[Any, int]
            if self._told_by_name(shard):
                numbers = {name: number for number, name in enumerate(classes)}
                otherwise = f"no class of {where} ({_listed(classes)})"
            else:
                own = _numbers(shard.name, self._names(shard) or classes, classes, where)
                numbers = dict(enumerate(own))
                otherwise = f"outside 0–{len(own) - 1}"
            for row, (cell, value) in enumerate(shard.values(image, label)):
                name = f"{shard.name}, row {row}"
                told = class_name(value) if isinstance(value, str) else value
                if told not in numbers:
                    raise DataError(f"{name}: {label} {shortened(told)} is {otherwise}")
                items.append(ImageFile(name, shard.content(cell, name)))
                labels.append(numbers[told])
        if not items:
            raise DataError(f"{shards[0].name}: no rows")
        return Files(items, torch.tensor(labels))


@dataclass(frozen=True)
class _Tables:
    parts: Mapping[str, Sequence[Shard]]  # train is always one of them, and the first
    unused: Sequence[str]  # names of files or parts


def _numbers(
    shard: str, names: tuple[str, ...], classes: tuple[str, ...], where: str
) -> Sequence[int]:
    """Return which class each of a shard's labels is.

    Raises:
        DataError: a name is not among the classes, or twice in a list.
    """
    if names == classes:
        return range(len(classes))
    known = {name: number for number, name in enumerate(classes)}
    unknown = [name for name in names if name not in known]
    if unknown or len(known) < len(classes) or len(set(names)) < len(names):
        raise DataError(
            f"{shard}: its classes ({_listed(names)}) are not those of {where} "
            f"({_listed(classes)}){f': no {unknown[0]!r} there' if unknown else ''}"
        )
    return [known[name] for name in names]


def _listed(names: Sequence[str], count: int = 4) -> str:
    return ", ".join(names[:count]) + (f", … {len(names) - count} more" if names[count:] else "")


def _local(folder: Path) -> _Tables:
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*parquet")):
        files.setdefault(re.split("[-.]", path.name)[0], []).append(path)
    folders = {path.parent for name in files if part_of(name) for path in files[name]}
    if len(folders) > 1:
        names = ", ".join(sorted(str(path.relative_to(folder)) for path in folders))
        raise DataError(f"{folder}: several sets ({names}); set data.source.folder to one of them")
    parts = parts_of(files, folder)
    if "train" not in parts:
        raise missing("train-*.parquet", folder)
    return _Tables(
        {
            part: [open_shard(path, folder) for path in files[name]]
            for part, name in _in_order(parts)
        },
        [path.name for name in files.keys() - parts.values() for path in files[name]],
    )


def _in_order(parts: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(part, parts[part]) for part in ("train", "val", "test") if part in parts]


def _from_hub(name: str, subset: str | None, revision: str | None) -> _Tables:
    try:
        import datasets  # pyright: ignore[reportMissingImports]  # an optional extra
    except ImportError:
        raise ConfigError(
            "data.source.name needs the datasets library: pip install 'fovea[huggingface]', "
            "or put the Parquet files under data.root and set data.source.folder"
        ) from None
    try:
        loaded = datasets.load_dataset(name, subset, revision=revision)
    except Exception as error:  # the library raises its own, the hub client's and OS errors
        raise DataError(f"data.source.name={name}: {error}") from error
    config = getattr(datasets, "config", None)
    home = Path(config.HF_DATASETS_CACHE) if config else None  # of the images it has unpacked
    parts = parts_of(loaded, f"data.source.name={name}")
    if "train" not in parts:
        raise DataError(
            f"data.source.name={name}: no train part (it has {', '.join(map(str, loaded))})"
        )
    shards = {
        part: [
            Shard(
                name=f"{name} {alias}",
                schema=loaded[alias].features.arrow_schema,
                rows=loaded[alias].data.table.num_rows,
                batches=partial(_batches, loaded[alias].data.table),
                home=home,
            )
        ]
        for part, alias in _in_order(parts)
    }
    return _Tables(shards, sorted(set(map(str, loaded)) - set(parts.values())))


def _batches(table: pa.Table, columns: list[str]) -> Iterator[pa.RecordBatch]:
    yield from table.select(columns).to_batches(_AT_ONCE)


def _holds_text(field: pa.Field) -> bool:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _holds_images(field: pa.Field) -> bool:
    if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
        return True
    if not pa.types.is_struct(field.type) or field.type.get_field_index("bytes") < 0:
        return False
    kind = field.type.field("bytes").type
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_null(kind)


def _class_names(shard: Shard) -> dict[str, list[str]]:
    """Return the class names of each column of class labels, from the schema's metadata.

    Raises:
        DataError: they are none.
    """
    try:
        metadata = json.loads((shard.schema.metadata or {}).get(b"huggingface", b"{}"))
        features = metadata.get("info", {}).get("features", {})
        names = {
            column: feature["names"]
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{shard.name}: damaged metadata ({type(error).__name__})") from error
    for column, each in names.items():
        if not isinstance(each, list) or not all(isinstance(name, str) for name in each):
            raise DataError(f"{shard.name}: the class names of {column} are no list of names")
        if len(each) > CLASSES:
            raise DataError(f"{shard.name}: {len(each):,} classes; at most {CLASSES:,} are read")
    return names


def _highest(shard: Shard, column: str, most: int) -> int:
    highest = 0
    for row, (value,) in enumerate(shard.values(column)):
        if value is not None and value >= most:
            raise DataError(
                f"{shard.name}, row {row}: {column} {value} is no class number; without class "
                f"names, {most:,} classes are the most for that many rows"
            )
        highest = max(highest, value or 0)
    return highest


def _choose(wanted: str | None, candidates: Sequence[str], argument: str, shard: Shard) -> str:
    if wanted is not None:
        if wanted not in shard.schema.names:
            near = did_you_mean(wanted, shard.schema.names)
            raise ConfigError(f"data.source.{argument}={wanted}: no such column{near}")
        if wanted not in candidates:
            raise ConfigError(
                f"data.source.{argument}={wanted}: a column of {shard.schema.field(wanted).type}"
            )
        return wanted
    if len(candidates) != 1:
        raise ConfigError(
            f"{shard.name}: set data.source.{argument} to one of its columns "
            f"({', '.join(candidates or shard.schema.names)})"
        )
    return candidates[0]
