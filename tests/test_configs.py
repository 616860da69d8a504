"""Every option of every group composes, is valid, documents itself, and builds what it names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra.utils import get_object

from fovea.augment.none import Identity
from fovea.config import paths
from fovea.config.build import build, build_with
from fovea.config.compose import compose_run
from fovea.config.options import description, groups, options
from fovea.config.schema import GROUPS, validate
from fovea.data.image.module import ImageData
from fovea.data.segmentation.module import SegmentationData
from fovea.data.text.module import TextData
from fovea.records import RunFolder
from fovea.sweep.plan import plan_experiment
from fovea.training.assemble import assemble, build_model
from fovea.training.tracking.trackers import build_tracker

CLASSES = tuple("0123456789")
OFFERS = {"num_classes": 10, "classes": CLASSES}
OF_IMAGES = {"in_channels": 3, "image_size": 32}
OF_TEXTS = {"vocabulary": 20, "vectors": None}
OFFERED = {"objects"}  # arguments of tasks that the data gives
NEEDED = {
    "image_folder": ["data.source.folder=pictures"],
    "image_csv": ["data.source.file=pictures.csv"],
    "huggingface": ["data.source.folder=parquet"],
    "text_folder": ["data.source.folder=texts"],
    "text_csv": ["data.source.file=texts.csv"],
    "mask_folder": ["data.source.folder=leaves", "data.source.classes={ground: 0, leaf: 255}"],
}
REST = tuple(group for group in GROUPS if group not in ("model", "data"))


def every(*names: str) -> list[Any]:
    """Return the options of groups as test parameters."""
    return [
        pytest.param(each, option, id=f"{each}={option}")
        for each in names
        for option in options(each)
    ]


def composed(group: str, option: str) -> dict[str, Any]:
    """Compose an option, with a value for what it leaves to the user."""
    return compose_run([f"{group}={option}", *NEEDED.get(option, [])])


def files() -> list[Path]:
    return [file for group in groups() for file in options(group).values()]


def nodes(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every node with a ``_target_``."""
    if "_target_" in config:
        yield config
    for value in config.values():
        if isinstance(value, Mapping):
            yield from nodes(value)


def arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in node.items()
        if key not in ("_target_", "_partial_", "_problem_")
    }


def parameters(node: Mapping[str, Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(get_object(node["_target_"])).parameters


def test_every_group_is_validated_and_has_a_default() -> None:
    defaults = yaml.safe_load((paths.conf() / "train.yaml").read_text())["defaults"]
    first = [key for entry in defaults if isinstance(entry, dict) for key in entry]
    assert [key for key in first if key in GROUPS] == list(GROUPS)
    assert sorted(GROUPS) == sorted(set(groups()) - {"experiment"})


@pytest.mark.parametrize("file", files(), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_file_is_short_and_opens_with_what_it_is(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("# ")
    assert description(file)[-1] in ".?"
    assert len(text.splitlines()) <= (45 if file.name == "sweep.yaml" else 25)  # a line per arm
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(("group", "option"), every(*GROUPS))
def test_an_option_is_valid_and_has_no_argument_its_target_lacks(group: str, option: str) -> None:
    config = composed(group, option)
    validate(config)
    for node in nodes(config[group]):
        assert arguments(node).keys() <= parameters(node).keys()


@pytest.mark.parametrize(("group", "option"), every(*REST, "model"))
def test_an_option_lists_the_defaults_of_the_code(group: str, option: str) -> None:
    config = composed(group, option)
    node = config[group][option] if group == "metrics" else config[group]
    if not node["_target_"].startswith("fovea."):
        return  # whose defaults are its library's
    in_code = {
        key: list(each.default) if isinstance(each.default, tuple) else each.default
        for key, each in parameters(node).items()
        if each.default is not each.empty
    }
    listed = {key: value for key, value in arguments(node).items() if value != "auto"}
    shared = in_code.keys() & listed.keys()
    assert {key: listed[key] for key in shared} == {key: in_code[key] for key in shared}
    assert in_code.keys() - OFFERED <= arguments(node).keys()


@pytest.mark.parametrize(("group", "option"), every("model"))
def test_a_model_gives_classes_to_samples_or_their_pixels(group: str, option: str) -> None:
    config = composed(group, option)
    model, inputs = build_model(config["model"], OFFERS | OF_IMAGES | OF_TEXTS)
    side = inputs.get("image_size", 32)
    if "vocabulary" in inputs:
        given = torch.zeros(2, 5, dtype=torch.int64)
    else:
        given = torch.zeros(2, inputs["in_channels"], side, side)
    logits = model.eval()(given)
    assert logits.shape in [(2, inputs["num_classes"], *pixels) for pixels in ((), (side, side))]
    assert logits.isfinite().all()


@pytest.mark.parametrize(("group", "option"), every("data"))
def test_a_data_set_is_built_without_being_read(group: str, option: str) -> None:
    config = composed(group, option)
    assert not Path(config["data"]["root"]).exists()
    data = build_with(
        "data", config["data"], augment=Identity(), batch_size=4, seed=0, channels_last=True
    )
    assert isinstance(data, ImageData | SegmentationData | TextData)
    if isinstance(data, ImageData):
        assert data.normalize in ("computed", "none", *data.constants)


@pytest.mark.parametrize(("group", "option"), every(*REST))
def test_an_option_trains_something(group: str, option: str, tmp_path: Path) -> None:
    config = composed(group, option)
    torch.manual_seed(0)
    lab = assemble(config)
    images = torch.full((4, 1, 8, 8), 128, dtype=torch.uint8)
    assert lab.data.augment(images, torch.Generator()).shape == images.shape
    logits = lab.task(images / 255)
    loss = build("loss", config["loss"])(logits, torch.zeros(4, dtype=torch.long))
    assert loss.shape == ()
    assert loss > 0
    loss.backward()
    before = [weight.detach().clone() for weight in lab.task.model.parameters()]
    build("optimizer", config["optimizer"], model=lab.task.model).step()
    after = list(lab.task.model.parameters())
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    schedule = build("schedule", config["schedule"])
    assert all(0 <= schedule(epoch, 10) <= 1 for epoch in range(10))
    assert callable(build_tracker(config["tracking"], option, RunFolder(tmp_path)).start)
    assert lab.settings.resolved_precision in ("32", "bf16-mixed")


@pytest.mark.parametrize("name", paths.experiment_names())
def test_an_experiment_is_planned_and_tells_its_cost(name: str) -> None:
    folder = paths.experiment(name)
    assert folder is not None
    header = (folder / "sweep.yaml").read_text()
    assert f"# Command: fovea train experiment={name} " in header
    assert "Cost: " in header
    assert "# Expected: " in header
    runs = plan_experiment(name)
    assert {run.config["experiment"] for run in runs} == {name}
    assert len({run.folder.id for run in runs}) == len(runs)
