"""Parquet files in the layout of the Hugging Face hub, and sets of the hub by name."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fovea.config.errors import ConfigError, DataError
from fovea.data.image.decode import decode
from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.source import Files, Spec, Splits
from fovea.data.sources.huggingface import HuggingFace

LABELS = [1, 0, 1]
NAMES = {"label": ["cat", "dog"]}


@pytest.fixture
def table(encode: Callable[..., bytes]) -> Callable[..., pa.Table]:
    """Build a table of grey pictures, the ``i``-th of ``i + 1`` pixels, with label columns."""

    def table(
        names: dict[str, Sequence[str]] | None = None, image: str = "image", **labels: Any
    ) -> pa.Table:
        labels = labels or {"label": LABELS}
        count = len(next(iter(labels.values())))
        pictures = [encode(np.full((1, width + 1), width, np.uint8)) for width in range(count)]
        cells = [{"bytes": data, "path": f"{row}.png"} for row, data in enumerate(pictures)]
        features: dict[str, Any] = {image: {"_type": "Image"}}
        for column, classes in (names or {}).items():
            features[column] = {"_type": "ClassLabel", "names": classes}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        return pa.table({image: cells} | labels).replace_schema_metadata(metadata)

    return table


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write tables to files below ``set``."""

    def write(tables: dict[str, pa.Table]) -> Path:
        for name, content in tables.items():
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(content, path)
        return tmp_path

    return write


Table = Callable[..., pa.Table]
Write = Callable[[dict[str, pa.Table]], Path]


def read(root: Path, **arguments: str) -> Splits:
    return HuggingFace(folder="set", **arguments).read(root, skip_bad=False)


def test_shards_are_joined_in_order(table: Table, write: Write) -> None:
    root = write(
        {
            "data/train-00001-of-00002.parquet": table(NAMES, label=[0]),
            "data/train-00000-of-00002.parquet": table(NAMES),
            "data/validation-00000-of-00001.parquet": table(NAMES, label=[1]),
            "data/test.parquet": table(NAMES, label=[0, 1]),
        }
    )
    spec = HuggingFace(folder="set").spec(root)
    assert spec == Spec(("cat", "dog"), channels=3, image_size=None)
    splits = read(root)
    assert splits.train.labels.tolist() == [1, 0, 1, 0]
    assert splits.val is not None
    assert splits.test is not None
    assert splits.val.labels.tolist() == [1]
    assert splits.test.labels.tolist() == [0, 1]
    assert isinstance(splits.train, Files)
    assert [decode(file, 1).size for file in splits.train.items] == [(1, 1), (2, 1), (3, 1), (1, 1)]
    assert splits.train.items[3].name == "train-00001-of-00002.parquet, row 0"


def test_sharding_does_not_change_the_fingerprint(table: Table, write: Write) -> None:
    whole = table(NAMES)
    root = write(
        {"one/train.parquet": whole}
        | {f"three/train-{row}.parquet": whole.slice(row, 1) for row in range(3)}
    )
    one, three = (
        HuggingFace(folder=f"set/{name}").read(root, skip_bad=False) for name in ("one", "three")
    )
    assert fingerprint(one) == fingerprint(three)


def test_integers_without_names_are_their_own_names(table: Table, write: Write) -> None:
    root = write({"train-0.parquet": table(label=[0, 2, 1]), "test-0.parquet": table(label=[2])})
    assert HuggingFace(folder="set").spec(root).classes == ("0", "1", "2")


def test_labels_are_matched_by_name_across_shards_and_parts(table: Table, write: Write) -> None:
    root = write(
        {
            "train-0.parquet": table({"label": ["cat", "dog", "A\u0308ffin"]}, label=[0, 1, 2]),
            "train-1.parquet": table({"label": ["\u00c4ffin", "dog", "cat"]}, label=[0, 1, 2]),
            "test-0.parquet": table({"label": ["dog", "cat"]}, label=[0, 1]),
            "validation-0.parquet": table(label=[1, 0]),
        }
    )
    assert HuggingFace(folder="set").spec(root).classes == ("cat", "dog", "\u00c4ffin")
    splits = read(root)
    assert splits.train.labels.tolist() == [0, 1, 2, 2, 1, 0]
    assert splits.test is not None
    assert splits.val is not None
    assert splits.test.labels.tolist() == [1, 0]
    assert splits.val.labels.tolist() == [1, 0]  # its numbers are in the one list there is


def test_other_classes_are_refused_with_both_lists(table: Table, write: Write) -> None:
    other = table({"label": ["cat", "cow"]}, label=[0, 1])
    root = write({"train-0.parquet": table(NAMES), "test-0.parquet": other})
    with pytest.raises(DataError) as caught:
        read(root)
    assert str(caught.value) == (
        "test-0.parquet: its classes (cat, cow) are not those of train-0.parquet (cat, dog): "
        "no 'cow' there"
    )


def test_parts_by_their_usual_names_and_what_is_not_used(table: Table, write: Write) -> None:
    root = write(
        {
            "Training-0.parquet": table(NAMES),
            "test_set.parquet": table(NAMES, label=[0]),
            "extra-0.parquet": table(NAMES),
        }
    )
    splits = read(root)
    assert (len(splits.train), splits.val) == (3, None)
    assert splits.test is not None
    assert splits.test.labels.tolist() == [0]
    assert splits.notes == ["not used: extra-0.parquet"]
    with pytest.raises(DataError, match="both 'Training' and 'train' are a train part"):
        read(write({"train-0.parquet": table(NAMES)}))


@pytest.mark.parametrize("key", ["subset", "revision"])
def test_a_key_of_the_hub_has_no_effect_on_files(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"data\.source\.{key}=v1: has no effect on Parquet"):
        HuggingFace(folder="set", **{key: "v1"})


def test_columns_are_found_by_type_and_chosen_by_name(table: Table, write: Write) -> None:
    fine = {"fine": [0, 1], "coarse": [0, 0]}
    names = {"fine": [*"ab"], "coarse": ["c"]}
    root = write({"train-0.parquet": table(names, image="img", **fine)})
    with pytest.raises(ConfigError, match=r"set data\.source\.label_column .*\(fine, coarse\)"):
        read(root)
    assert read(root, label_column="coarse").train.labels.tolist() == [0, 0]
    assert read(root, label_column="fine").train.labels.tolist() == [0, 1]
    with pytest.raises(ConfigError, match=r"label_column=fin: no such column; did you mean 'fine'"):
        read(root, label_column="fin")
    with pytest.raises(ConfigError, match=r"image_column=fine: a column of int64"):
        read(root, label_column="fine", image_column="fine")
    root = write({"train-0.parquet": table(NAMES, label=[0, 1], index=[10, 11])})
    assert read(root).train.labels.tolist() == [0, 1]


@pytest.mark.parametrize("label", [-1, 2, None])
def test_a_label_out_of_range_is_named(table: Table, write: Write, label: int | None) -> None:
    labels = pa.array([0, label], pa.int64())
    root = write({"train-0.parquet": table(NAMES, label=labels)})
    with pytest.raises(DataError, match=rf"train-0\.parquet, row 1: label {label} is outside 0–1"):
        read(root)


def test_a_row_without_an_image_is_named(table: Table, write: Write) -> None:
    cells = pa.array([{"bytes": None, "path": None}], table().schema.field("image").type)
    root = write({"train-0.parquet": table(NAMES, label=[0]).set_column(0, "image", cells)})
    with pytest.raises(DataError, match=r"train-0\.parquet, row 0: no image"):
        read(root)


def test_a_damaged_file_is_named(table: Table, write: Write) -> None:
    root = write({"train-0.parquet": table(NAMES)})
    path = root / "set" / "train-0.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"train-0\.parquet: damaged Parquet file"):
        read(root)


@pytest.mark.parametrize("label", [1000, 2**31 - 1, 2**40, 2**63 - 1])
def test_a_label_without_names_is_bounded(table: Table, write: Write, label: int) -> None:
    root = write({"train-0.parquet": table(label=[0, label])})
    with pytest.raises(DataError, match=rf"train-0\.parquet, row 1: label {label} is no class"):
        HuggingFace(folder="set").spec(root)
    root = write({"train-0.parquet": table(label=[0, 999])})
    assert len(HuggingFace(folder="set").spec(root).classes) == 1000


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), "dictionary"])
def test_labels_may_be_the_names(table: Table, write: Write, kind: Any) -> None:
    def labels(*names: str | None) -> pa.Array:
        text = pa.array(names)
        return text.dictionary_encode() if kind == "dictionary" else text.cast(kind)

    train = table(label=labels("dog", "cat", "dog"))
    root = write({"train-0.parquet": train, "test-0.parquet": table(label=labels("cat"))})
    assert HuggingFace(folder="set").spec(root).classes == ("cat", "dog")
    splits = read(root)
    assert splits.train.labels.tolist() == [1, 0, 1]
    assert splits.test is not None
    assert splits.test.labels.tolist() == [0]
    for name in ("cow", None):
        write({"test-0.parquet": table(label=labels("cat", name))})
        reason = rf"test-0\.parquet, row 1: label {name} is no class of train-0.* \(cat, dog\)"
        with pytest.raises(DataError, match=reason):
            read(root)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_images_may_be_plain_bytes(
    table: Table, write: Write, encode: Callable[..., bytes], kind: Any
) -> None:
    pictures = pa.array([encode(np.full((1, width), width, np.uint8)) for width in (1, 2)], kind)
    root = write({"train-0.parquet": pa.table({"picture": pictures, "label": [0, 1]})})
    train = read(root).train
    assert isinstance(train, Files)
    assert [decode(item, 1).size for item in train.items] == [(1, 1), (2, 1)]


def test_labels_that_are_no_integers_are_refused(table: Table, write: Write) -> None:
    root = write({"train-0.parquet": table(label=[0.0, 1.0])})
    with pytest.raises(ConfigError, match=r"label_column=label: a column of double"):
        read(root, label_column="label")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (b"{", r"damaged metadata \(JSONDecodeError\)"),
        (b"[]", r"damaged metadata \(AttributeError\)"),
        (b"[" * 10**5, r"damaged metadata"),
        (b'{"info": {"features": {"label": {"_type": "ClassLabel"}}}}', r"damaged metadata"),
        (
            b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": [1, {}]}}}}',
            r"the class names of label are no list of names",
        ),
        (
            json.dumps(
                {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a"] * 100_001}}}}
            ).encode(),
            r"100,001 classes; at most 100,000 are read",
        ),
    ],
)
def test_damaged_class_names_are_reported(
    table: Table, write: Write, metadata: bytes, reason: str
) -> None:
    content = table(label=[0]).replace_schema_metadata({"huggingface": metadata})
    root = write({"train-0.parquet": content})
    with pytest.raises(DataError, match=rf"^train-0\.parquet: {reason}"):
        read(root)


@pytest.fixture
def named(table: Table, write: Write, encode: Callable[..., bytes]) -> Callable[..., Splits]:
    """Read a set whose one image is named by a path; it holds ``data/1.png``, of 3×3 pixels."""

    def named(*paths: str | None) -> Splits:
        kind = table().schema.field("image").type
        cells = pa.array([{"bytes": None, "path": path} for path in paths], kind)
        content = table(NAMES, label=[0] * len(paths)).set_column(0, "image", cells)
        root = write({"data/train-0.parquet": content})
        (root / "set/data/1.png").write_bytes(encode(np.full((3, 3), 7, np.uint8)))
        return read(root)

    return named


@pytest.mark.parametrize("path", ["1.png", "./1.png", "../data/1.png", "{set}/data/1.png"])
def test_images_named_by_path_are_read_from_the_sets_folder(
    named: Callable[..., Splits], tmp_path: Path, path: str
) -> None:
    splits = named(path.format(set=tmp_path / "set"))
    assert isinstance(splits.train, Files)
    assert np.asarray(decode(splits.train.items[0], 1)).tolist() == [[7] * 3] * 3


@pytest.mark.parametrize(
    "path", ["{out}", "../../out.png", "link.png", "linked/out.png", "/dev/zero", "/etc/passwd"]
)
def test_images_elsewhere_are_not_read(
    named: Callable[..., Splits], encode: Callable[..., bytes], tmp_path: Path, path: str
) -> None:
    (tmp_path / "out.png").write_bytes(encode(np.zeros((3, 3), np.uint8)))
    (tmp_path / "set/data").mkdir(parents=True)
    (tmp_path / "set/data/link.png").symlink_to(tmp_path / "out.png")
    (tmp_path / "set/data/linked").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"^train-0\.parquet, row 1: its path leads out of"):
        named("1.png", path.format(out=tmp_path / "out.png"))


@pytest.mark.parametrize(
    ("path", "reason"), [("a\0b", "its path is none"), ("", "no image"), (None, "no image")]
)
def test_a_path_that_is_none_is_named(
    named: Callable[..., Splits], path: str | None, reason: str
) -> None:
    with pytest.raises(DataError, match=rf"^train-0\.parquet, row 0: {reason}"):
        named(path)


@pytest.mark.parametrize("path", [".", "pipe.png", "missing.png", "a" * 300])
def test_a_path_without_a_regular_file_is_reported_when_it_is_decoded(
    named: Callable[..., Splits], tmp_path: Path, path: str
) -> None:
    (tmp_path / "set/data").mkdir(parents=True)
    os.mkfifo(tmp_path / "set/data/pipe.png")
    splits = named(path)
    assert isinstance(splits.train, Files)
    with pytest.raises(DataError, match=r"^train-0\.parquet, row 0: (not a regular|No such|File)"):
        decode(splits.train.items[0], 1)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_small_file_of_many_rows_is_refused(
    tmp_path: Path, encode: Callable[..., bytes], compression: str
) -> None:
    picture = encode(np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8))
    (tmp_path / "set").mkdir()
    for rows, reason in ((10**6, r"claims 1,000,000 rows in"), (2000, r"bytes hold more than")):
        images = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([picture]))
        cells = pa.StructArray.from_arrays([images], ["bytes"])
        content = pa.table({"image": cells, "label": np.zeros(rows, np.int64)})
        path = tmp_path / "set" / "train-0.parquet"
        pq.write_table(content, path, compression=compression, store_schema=False)
        with pytest.raises(DataError, match=rf"train-0\.parquet.*{reason}"):
            read(tmp_path)


def test_a_part_without_rows_is_refused(table: Table, write: Write) -> None:
    root = write({"train-0.parquet": table(NAMES), "test-0.parquet": table(NAMES, label=[0])[:0]})
    with pytest.raises(DataError, match=r"^test-0\.parquet: no rows"):
        read(root)


def test_a_pipe_in_place_of_a_table_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    os.mkfifo(tmp_path / "set" / "train-0.parquet")
    with pytest.raises(DataError, match=r"train-0\.parquet: damaged .*not a regular file"):
        read(tmp_path)


def test_what_to_put_where(table: Table, write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set: no such folder \(looked for train-\*\.parquet\)"):
        read(tmp_path)
    root = write({"one/train-0.parquet": table(NAMES), "two/train-0.parquet": table(NAMES)})
    with pytest.raises(DataError, match=r"several sets \(one, two\); set data\.source\.folder"):
        read(root)


def test_a_read_only_root_is_enough(
    table: Table, write: Write, read_only: Callable[[Path], None]
) -> None:
    root = write({"train-0.parquet": table(NAMES)})
    read_only(root)
    assert len(read(root).train) == 3


@pytest.mark.parametrize("arguments", [{}, {"name": "a/b", "folder": "set"}])
def test_either_a_name_or_a_folder(arguments: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"set either name=… .* or folder=…"):
        HuggingFace(**arguments)


def hub(monkeypatch: pytest.MonkeyPatch, load_dataset: Callable[..., Any]) -> None:
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))


def as_loaded(content: pa.Table) -> SimpleNamespace:
    """Hold a table as the library's ``Dataset`` does."""
    return SimpleNamespace(
        features=SimpleNamespace(arrow_schema=content.schema), data=SimpleNamespace(table=content)
    )


def test_a_set_by_name(table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[Any, ...]] = []

    def load_dataset(name: str, subset: str | None, revision: str | None) -> dict[str, Any]:
        asked.append((name, subset, revision))
        return {"train": as_loaded(table(NAMES)), "validation": as_loaded(table(NAMES))}

    hub(monkeypatch, load_dataset)
    source = HuggingFace(name="someone/pets", subset="small", revision="v1")
    splits = source.read(tmp_path, skip_bad=False)
    assert asked == [("someone/pets", "small", "v1")]
    assert splits.train.labels.tolist() == LABELS
    assert splits.val is not None
    assert splits.test is None
    assert isinstance(splits.train, Files)
    assert splits.train.items[2].name == "someone/pets train, row 2"


def test_a_set_by_name_that_cannot_be_had(
    table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to host")

    source = HuggingFace(name="someone/pets")
    hub(monkeypatch, unreachable)
    with pytest.raises(DataError, match=r"^data\.source\.name=someone/pets: no route to host$"):
        source.spec(tmp_path)
    hub(monkeypatch, lambda *_, **__: {"test": as_loaded(table())})
    with pytest.raises(DataError, match=r"someone/pets: no train part \(it has test\)"):
        source.spec(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"needs the datasets library: .*fovea\[huggingface\]"):
        source.spec(tmp_path)
