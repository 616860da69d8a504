"""What is said of a data set: sizes, classes, and copies within and across parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fovea.data.image.source import Images
from fovea.data.inventory import Copies, Inventory, take_inventory
from fovea.data.parts import Part


def part(labels: Sequence[int], content: Sequence[int] | None = None, origin: str = "") -> Part:
    numbers = None if content is None else torch.tensor(content)
    pixels = torch.zeros(len(labels), 1, 1, 1, dtype=torch.uint8)
    images = Images(pixels, torch.tensor(labels), numbers)
    return Part(images, torch.arange(len(labels)), "train", origin)


def inventory(classes: Sequence[str] = ("ant", "bee"), **parts: Part) -> Inventory:
    return take_inventory(parts, classes, notes=["2 files"])


def test_one_line_for_each_part() -> None:
    train, test = part([0, 1, 1]), part([1], origin="data.test_fraction=0.2 of 4 training images")
    assert inventory(train=train, test=test).notes == [
        "2 files",
        "train 3: ant 1, bee 2",
        "test 1 (data.test_fraction=0.2 of 4 training images): ant 0, bee 1",
    ]


def test_of_many_classes_the_first_are_listed() -> None:
    names = [f"c{number}" for number in range(101)]
    whole = part(range(101))
    assert inventory(names, train=whole).notes[1] == "train 101: c0 1, c1 1, c2 1, c3 1, … 97 more"


def test_copies_within_and_across_parts() -> None:
    train = part([0, 0, 1, 1], content=[0, 1, 1, 3])
    test = part([0, 1, 0], content=[0, 3, 6])
    found = inventory(train=train, val=part([0], content=[3]), test=test)
    assert found.copies == Copies(
        within={"train": 1, "val": 0, "test": 0}, of_training={"val": 1, "test": 2}, ambiguous=5
    )
    assert found.deviations == [
        "1 of 1 validation images is a copy of a training image",
        "2 of 3 test images are copies of training images",
    ]
    assert found.warnings == [
        "images repeated within the training part: 1",
        "images with a copy in another class: 5",
    ]


def test_a_test_part_validated_on_is_counted_once() -> None:
    test = part([0], content=[0])
    found = inventory(train=part([0, 1], content=[0, 1]), val=test, test=test)
    assert found.deviations == ["1 of 1 test images is a copy of a training image"]


def test_without_copies_nothing_is_said() -> None:
    found = inventory(train=part([0, 1], content=[0, 1]), test=part([0], content=[2]))
    assert (found.deviations, found.warnings) == ([], [])
    assert inventory(train=part([0, 1]), test=part([0])).copies is None
