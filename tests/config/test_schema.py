"""Validation: what is refused, in which words, and what a signature makes of a schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError
from fovea.config.schema import signature_schema, validate

REFUSED = [
    # types and ranges
    ("epochs=1.5", "epochs=1.5: should be a valid integer"),
    ("epochs=true", "epochs=True: should be a valid integer"),
    ("epochs=-1", "epochs=-1: should be greater than or equal to 0"),
    ("seed=-1", "seed=-1: should be greater than or equal to 0"),
    ("rerun=1", "rerun=1: should be a valid boolean or 'stale'"),
    ("outputs=3", "outputs=3: should be a valid string"),
    ("select=bset", "select=bset: should be 'auto', 'best' or 'last'"),
    ("optimizer.lr=-1", "optimizer.lr=-1: should be greater than 0"),
    ("optimizer.lr=nan", "optimizer.lr=nan: should be a finite number"),
    ("optimizer.lr=inf", "optimizer.lr=inf: should be a finite number"),
    ("optimizer.lr=fast", "optimizer.lr=fast: should be a valid number"),
    ("data.val_fraction=1", "data.val_fraction=1: should be less than 1"),
    ("trainer.compile=yes", "trainer.compile=yes: should be a valid boolean"),
    ("trainer.compile=1", "trainer.compile=1: should be a valid boolean"),
    ("trainer.compile=auto", "trainer.compile=auto: no longer an option; set true or false"),
    ("data.memory_limit=-1", "data.memory_limit=-1: should be 'auto' or greater than 0"),
    ("data.memory_limit=all", "data.memory_limit=all: should be 'auto' or a valid number"),
    ("data.fit=padd", "data.fit=padd: should be 'pad', 'resize' or 'crop'"),
    ("model.num_classes=some", "model.num_classes=some: should be a valid integer"),
    ("model.hidden_sizes=3", "model.hidden_sizes=3: should be a valid array"),
    ("model.hidden_sizes=[8,-2]", "model.hidden_sizes=-2: should be greater than 0"),
    (
        "model.activation=relo",
        "model.activation=relo: "
        "should be 'relu', 'tanh', 'sigmoid', 'leaky_relu', 'gelu' or 'silu'",
    ),
    ("probe=shifts probe.largest=0", "probe.largest=0: should be greater than 0"),
    (
        "+trainer.target_accuracy=0.75",
        "trainer.target_accuracy: unknown key; "
        "it is trainer.stop={metric: train/accuracy, value: VALUE} now",
    ),
    (
        "trainer.stop=0.75",
        "trainer.stop=0.75: should be null or {metric: NAME, value: NUMBER}, "
        "for instance {metric: train/loss, value: 0.1}",
    ),
    (
        "trainer.stop={metric:loss}",
        "trainer.stop={'metric': 'loss'}: should be null or {metric: NAME, value: NUMBER}, "
        "for instance {metric: train/loss, value: 0.1}",
    ),
    # keys
    (
        "probe=shifts +probe.larger=3",
        "probe.larger: unknown key; did you mean 'largest'? (known: largest)",
    ),
    ("+probe.largest=3 probe=train", "probe.largest: unknown key (known: )"),
    (
        "+optimizer.lrr=1",
        "optimizer.lrr: unknown key; did you mean 'lr'? "
        "(known: lr, betas, eps, weight_decay, decay)",
    ),
    ("+data.source.size=8", "data.source.size: unknown key (known: )"),
    ("~seed", "seed: no value"),
    ("~model", "model: no value"),
    ("seed=???", "seed: no value; add seed=… to the command"),
    ("model.dropout=???", "model.dropout: no value; add model.dropout=… to the command"),
    (
        "model._target_=fovea.models.mlp.MPL",
        "_target_=fovea.models.mlp.MPL: no 'MPL' in fovea.models.mlp",
    ),
    # pairs
    (
        "data.val_fraction=0 select=best",
        "select=best chooses by the validation part, and data.val_fraction=0 leaves none; "
        "set select=last or a data.val_fraction above 0",
    ),
    (
        "data.val_fraction=0 trainer.patience=2",
        "trainer.patience watches the validation part, and data.val_fraction=0 leaves none",
    ),
    (
        "optimizer=sgd optimizer.momentum=0",
        "optimizer.nesterov=true needs optimizer.momentum above 0",
    ),
    (
        "epochs=4 schedule.warmup_epochs=5",
        "schedule.warmup_epochs=5 is longer than epochs=4",
    ),
    (
        "trainer.strategy=ddp",
        "trainer.strategy=ddp starts this command again in every process and would repeat the "
        "whole sweep there; set trainer.devices, and trainer.strategy=auto",
    ),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSED, ids=[each for each, _ in REFUSED])
def test_refused(overrides: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        validate(compose_run(overrides.split()))
    assert str(refusal.value) == message


def test_an_unknown_root_key_is_told_with_its_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"^epoch: unknown key; did you mean 'epochs'\? \(known: "
    ):
        validate(compose_run(["+epoch=3"]))


@pytest.mark.parametrize(
    "overrides",
    [
        "optimizer.lr=1",  # an integer is a number
        "model.num_classes=null",
        "model.hidden_sizes=[]",
        "optimizer=sgd optimizer.momentum=0 optimizer.nesterov=false",
        "data.val_fraction=0",
        "data.validate_on=test data.val_fraction=0 select=best trainer.patience=2",
        "schedule.warmup_epochs=10",
        "model._target_=torch.nn.Identity +model.any=1",  # takes anything: nothing to check by
    ],
)
def test_accepted(overrides: str) -> None:
    validate(compose_run(overrides.split()))


MODULE = """
from dataclasses import dataclass
from typing import Literal
from fovea.data.image.fit import FitMode
from torch import Tensor

Colour = Literal["red", "blue"]

class Net:
    def __init__(self, depth: PositiveInt, colour: Colour = "red", fit: FitMode = "pad",
                 weights: Tensor | None = None, *, rate: Probability = 0.5, free=None) -> None: ...

@dataclass
class Base:
    size: NonNegativeInt = 0

@dataclass
class Derived(Base):
    name: str = ""

def build(model, *, steps: PositiveInt = 1): ...

def anything(**options): ...
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that would not import, to be read as text."""
    (tmp_path / "lab_of_a_user.py").write_text("raise ImportError\n" + MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "lab_of_a_user"


def problems(target: str, arguments: dict[str, Any]) -> dict[str, str]:
    """Return what a target's schema finds wrong: argument → pydantic's name of the problem."""
    from pydantic import ValidationError

    schema = signature_schema(target)
    assert schema is not None
    try:
        schema.model_validate(arguments)
    except ValidationError as error:
        return {str(item["loc"][0]): item["type"] for item in error.errors()}
    return {}


def test_a_constructor_is_the_schema(module: str) -> None:
    net = f"{module}.Net"
    good = {"depth": 3, "colour": "blue", "fit": "crop", "weights": "any", "rate": 1, "free": []}
    assert problems(net, good) == {}
    bad = {"depth": 0, "colour": "green", "fit": "stretch", "rate": 1.5, "width": 2}
    assert problems(net, bad) == {
        "depth": "greater_than",
        "colour": "literal_error",
        "fit": "literal_error",  # an alias that the module imports from fovea
        "rate": "less_than_equal",
        "width": "extra_forbidden",
    }


def test_a_dataclass_has_the_fields_of_its_bases(module: str) -> None:
    bad = {"size": -1, "name": 3, "other": 0}
    assert problems(f"{module}.Derived", bad) == {
        "size": "greater_than_equal",
        "name": "string_type",
        "other": "extra_forbidden",
    }


def test_a_function_is_a_schema_unless_it_takes_anything(module: str) -> None:
    assert problems(f"{module}.build", {"steps": 0}) == {"steps": "greater_than"}
    assert signature_schema(f"{module}.anything") is None
    assert signature_schema("math.sqrt") is None
    assert signature_schema("no_such_module.Thing") is None
