"""Parts that are the set's own or held out: where each comes from, and what cannot be held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from fovea.config.errors import DataError
from fovea.data.image.source import Images, Splits
from fovea.data.parts import Part, Protocol, split_parts

CLASSES = ("common", "frequent", "rare")


def images(labels: Sequence[int]) -> Images:
    return Images(torch.zeros(len(labels), 1, 1, 1, dtype=torch.uint8), torch.tensor(labels))


def split(splits: Splits, **changes: Any) -> dict[str, Part]:
    protocol = {"val_fraction": 0.1, "test_fraction": 0.2, "validate_on": "validation"}
    return split_parts(splits.parts, Protocol(**({"split_seed": 0} | protocol | changes)), CLASSES)


def origins(splits: Splits, **changes: Any) -> dict[str, str]:
    return {name: part.origin for name, part in split(splits, **changes).items()}


TRAIN, OWN = images([0, 1] * 20), images([0, 1] * 2)


def test_a_part_that_is_held_out_says_so() -> None:
    assert origins(Splits(TRAIN, None, OWN)) == {
        "train": "",
        "val": "",
        "test": "data.test_fraction=0.2 of 40 training images: the set has no test part",
    }
    assert origins(Splits(TRAIN, None), split_seed=3) == {
        "train": "",
        "val": "data.val_fraction=0.1 of 32 training images",
        "test": "data.test_fraction=0.2 of 40 training images: the set has no test part",
    }


def test_a_key_without_effect_is_said() -> None:
    whole = Splits(TRAIN, OWN, OWN)
    assert origins(whole) == {"train": "", "val": "", "test": ""}
    assert origins(whole, val_fraction=0.3, test_fraction=0.4, split_seed=2) == {
        "train": "data.split_seed=2 has no effect here",
        "val": "data.val_fraction=0.3 has no effect here",
        "test": "data.test_fraction=0.4 has no effect here",
    }


def test_validating_on_the_test_part_leaves_others_unused() -> None:
    on_test = {"validate_on": "test"}
    assert origins(Splits(TRAIN, OWN), **on_test)["val"] == "the test part"
    assert origins(Splits(TRAIN, OWN), val_fraction=0, **on_test)["val"] == "the test part"
    assert origins(Splits(TRAIN, OWN, OWN), val_fraction=0.3, **on_test)["val"] == (
        "the test part; the set's own 4 validation images are unused; "
        "data.val_fraction=0.3 has no effect here"
    )


def test_a_class_with_one_image_is_named() -> None:
    rare = images([0, 1] * 20 + [2])
    with pytest.raises(DataError) as caught:
        split(Splits(rare, None))
    assert str(caught.value) == (
        "class 'rare' has 1 image: data.test_fraction=0.2 needs 2 of each class, to hold one out; "
        "add images, leave the class out, or give the set a test part"
    )
    with pytest.raises(DataError, match=r"data\.val_fraction=0\.1 .* or set data\.val_fraction=0$"):
        split(Splits(rare, OWN))
    assert len(split(Splits(rare, OWN), val_fraction=0)["train"]) == 41
    with pytest.raises(DataError, match=r"'common' has 1 image \(and 2 more classes\): data"):
        split(Splits(images([0, 1, 2]), None))


def test_an_image_that_is_left_after_the_first_split_is_not_enough_for_the_second() -> None:
    with pytest.raises(DataError, match=r"'rare' has 1 image left: data\.val_fraction"):
        split(Splits(images([0, 1] * 20 + [2, 2]), None), test_fraction=0.5)


def test_fewer_images_than_classes() -> None:
    with pytest.raises(DataError) as caught:
        split(Splits(TRAIN, OWN), val_fraction=0.01)
    assert str(caught.value) == (
        "data.val_fraction=0.01: no stratified split of 40 images into 39 and 1, fewer than the 2 "
        "classes; set another data.val_fraction"
    )


def test_the_samples_of_each_part_are_those_that_published_runs_had() -> None:
    labels = (torch.arange(500) ** 2 % 7 % 3).tolist()  # 72, 286, 142 of each class
    parts = split(Splits(images(labels), None), val_fraction=0.15, split_seed=3)
    rows = {name: part.rows for name, part in parts.items()}
    assert {name: part.labels.bincount().tolist() for name, part in parts.items()} == {
        "train": [48, 195, 97],
        "val": [9, 34, 17],
        "test": [15, 57, 28],
    }
    assert all(each.equal(each.sort().values) for each in rows.values())
    assert {
        name: hashlib.sha256(each.numpy().astype("<i8").tobytes()).hexdigest()[:16]
        for name, each in rows.items()
    } == {"train": "11d986772695ac78", "val": "0975a8a1fe25ef6a", "test": "3503d6215c94ee26"}


def test_folds_deal_the_training_part_out() -> None:
    whole = Splits(images([0, 1, 1] * 20), OWN)
    dealt = [split(whole, folds=5, fold=fold, split_seed=3) for fold in range(5)]
    tested = [part["test"].rows.tolist() for part in dealt]
    assert sorted(row for rows in tested for row in rows) == list(range(60))
    for parts in dealt:
        assert torch.bincount(parts["test"].labels).tolist() == [4, 8]
        rows = [set(part.rows.tolist()) for part in parts.values()]
        assert len(set.union(*rows)) == sum(map(len, rows)) == 60
        assert {part.source for part in parts.values()} == {"train"}
    assert tested != [split(whole, folds=5, fold=fold)["test"].rows.tolist() for fold in range(5)]
    assert origins(whole, folds=5, fold=2, test_fraction=0.3) == {
        "train": "",
        "val": "data.val_fraction=0.1 of 48 training images",
        "test": "data.fold=2 of 5, of 60 images; the set's own 4 test images are unused; "
        "data.test_fraction=0.3 has no effect here",
    }
    assert len(split(Splits(TRAIN, None, OWN), folds=2)["val"]) == len(OWN)


def test_a_class_may_have_fewer_images_than_folds_but_not_all() -> None:
    rare = Splits(images([0] * 10 + [1] * 10 + [2, 2]), None)
    dealt = [split(rare, folds=5, fold=fold, val_fraction=0)["test"].labels for fold in range(5)]
    assert [int((labels == 2).sum()) for labels in dealt].count(0) == 3
    with pytest.raises(DataError, match=r"data\.folds=11: no class has 11 of the 22"):
        split(rare, folds=11)
