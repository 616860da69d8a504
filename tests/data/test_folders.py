"""Layouts of folders: what is a part, what a class, and what is refused as ambiguous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fovea.config.errors import DataError
from fovea.data.sources.folders import find_layout, part_of

THREE = ("bird", "cat", "dog")


@pytest.fixture
def make(tmp_path: Path):
    """Make a folder of files that begin as JPEGs do; ``…/`` is an empty folder."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "set" / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                path.write_bytes(b"\xff\xd8\xff\xe0")
        return tmp_path / "set"

    return make


def each(*folders: str, classes: Sequence[str] = THREE) -> list[str]:
    return [f"{folder}/{name}/1.jpg" for folder in folders for name in classes]


def found(folder: Path) -> dict[str, dict[str, str]]:
    layout = find_layout(folder)
    return {
        part: {name: str(path.relative_to(folder)) for name, path in classes.items()}
        for part, classes in layout.parts.items()
    }


def of(**folders: str) -> Mapping[str, Mapping[str, str]]:
    return {part: {name: f"{folder}/{name}" for name in THREE} for part, folder in folders.items()}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"), ("Training", "train"), ("TRAIN", "train"), ("training_set", "train"),
        ("Train Data", "train"), ("trainset", "train"), ("val", "val"), ("Valid", "val"),
        ("validation-set", "val"), ("dev", "val"), ("Testing", "test"), ("test_images", "test"),
        ("eval", None), ("evaluation", None), ("trained", None), ("contest", None), ("set", None),
    ],
)  # fmt: skip
def test_names_of_parts(name: str, part: str | None) -> None:
    assert part_of(name) == part


@pytest.mark.parametrize(
    ("first", "second"),
    [("Training", "Testing"), ("Train", "Test"), ("train", "Test"), ("train_set", "testing")],
)
def test_parts_by_their_usual_names(make, first: str, second: str) -> None:
    assert found(make(*each(first, second))) == of(train=first, test=second)


def test_the_three_parts(make) -> None:
    folder = make(*each("test", "valid", "train"))
    assert found(folder) == of(train="train", val="valid", test="test")
    assert find_layout(folder).classes == THREE


def test_classes_within_a_wrapper(make) -> None:
    assert found(make("PetImages/Cat/1.jpg", "PetImages/Dog/1.jpg")) == {
        "train": {"Cat": "PetImages/Cat", "Dog": "PetImages/Dog"}
    }


def test_parts_within_wrappers(make) -> None:
    folder = make(*each("set/train/train", "set/test/test"))
    assert found(folder) == of(train="set/train/train", test="set/test/test")
    assert find_layout(folder).top == folder / "set"


def test_parts_within_classes(make) -> None:
    folder = make(*(f"{name}/{part}/1.jpg" for name in THREE for part in ("train", "Test")))
    assert found(folder) == {
        "train": {name: f"{name}/train" for name in THREE},
        "test": {name: f"{name}/Test" for name in THREE},
    }


def test_a_class_of_a_part_may_be_called_like_a_part(make) -> None:
    classes = ("bus", "test", "train")  # as one of CIFAR-100 is
    assert found(make(*each("train", "test", classes=classes)))["train"]["train"] == "train/train"


def test_images_of_a_class_may_lie_in_folders_of_their_own(make) -> None:
    folder = make("a/day1/1.jpg", "a/day2/1.jpg", "b/day1/1.jpg", "b/day2/1.jpg")
    assert found(folder) == {"train": {"a": "a", "b": "b"}}


def test_a_test_part_may_have_one_class_of_those_in_training(make) -> None:
    folder = make(*each("train"), "test/dog/day1/1.jpg", "test/dog/day2/1.jpg")
    assert found(folder)["test"] == {"dog": "test/dog"}


def test_folders_without_images_and_pictures_beside_parts_are_no_parts(make) -> None:
    folder = make(*each("train", "test"), "sample.jpg")
    (folder / "annotations").mkdir()
    (folder / "annotations" / "1.xml").write_text("<a/>")
    assert found(folder) == of(train="train", test="test")
    assert find_layout(folder).beside.ignored == {"in annotations": 1, ".jpg beside parts": 1}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (each("train", "Training"), "both 'Training' and 'train' are a train part"),
        ([*each("train", "test"), "extra/a/1.jpg"], "'extra' beside 'test', 'train': parts or"),
        (each("train", "evaluation"), "'evaluation' beside 'train': parts or classes?"),
        (["cat/1.jpg", "dog/1.jpg", "test/1.jpg"], "'cat', 'dog' beside 'test': parts or classes?"),
        (["bus/1.jpg", "car/1.jpg", "train/1.jpg"], "'bus', 'car' beside 'train': parts or"),
        (["train/1.jpg", "test/1.jpg"], "train: no class folders; put each class's images in a"),
        ([*each("train"), "test/1.jpg"], "test: no class folders; put each class's images in a"),
        (each("test", "val"), "'test', 'val' but no train folder"),
        (each("seg_train", "seg_test"), "are 'seg_test', 'seg_train' classes or parts?"),
        (each("fold1", "fold2"), "are 'fold1', 'fold2' classes or parts?"),
        (["cats_train/1.jpg", "cats_test/1.jpg"], "are 'cats_test', 'cats_train' classes or parts"),
        (["a/1.jpg", "b/1.jpg", "1.jpg"], r"'1.jpg' \(images here: 1\) beside the class folders"),
        ([*each("train"), "train/1.jpg"], r"train: '1.jpg' \(images here: 1\) beside the class"),
        (["cat/train/1.jpg", "dog/1.jpg"], "'cat/train' looks like a part within a class, but"),
        (["cat/train/1.jpg", "cat/1.jpg", "dog/train/1.jpg"], "'cat/train' looks like a part"),
        (["cat/1.jpg"], "one class only, 'cat'; expected a folder per class, or train/ and test/"),
        (["train/cat/1.jpg", "test/cat/1.jpg"], "one class only, 'cat'"),
        ([*each("train"), "test/Dog/1.jpg"], "class 'Dog' has no .*; did you mean 'dog'"),
        ([*each("train"), "test/ox/1.jpg"], r"'ox' has no folder in .* \('bird', 'cat', 'dog'\)"),
        (["1.jpg"], "no class folders; put each class's images in a folder of its own"),
    ],
)
def test_what_is_refused(make, names: Sequence[str], message: str) -> None:
    folder = make(*names)
    with pytest.raises(DataError, match=message) as caught:
        find_layout(folder)
    assert len(str(caught.value)) - len(str(folder)) < 230
