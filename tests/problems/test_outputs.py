"""Networks that return several outputs: what is trained of them, and what is read."""

from __future__ import annotations

from collections import namedtuple
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fovea.config.errors import ConfigError
from fovea.models.cost import count_macs
from fovea.optim.optimizers import sgd
from fovea.optim.schedules import Constant
from fovea.problems.base import Stepping
from fovea.problems.classification.losses import CrossEntropy
from fovea.problems.classification.task import Classification
from fovea.problems.outputs import named_outputs

Two = namedtuple("Two", ["logits", "aux"])
LOGITS, AUX = torch.tensor([[2.0, 0, 0], [0, 1, 0]]), torch.tensor([[0.0, 0, 1], [0, 3, 0]])
LABELS = torch.tensor([0, 1])


class Returning(nn.Module):
    """Returns what it was given at first, whatever the images."""

    def __init__(self, outputs: Any) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, images: Tensor) -> Any:
        return self.outputs


def task(outputs: Any, **options: Any) -> Classification:
    made = partial(sgd, lr=0.1)
    return Classification(
        Returning(outputs), CrossEntropy(), made, Constant(), Stepping(), ("a", "b", "c"), **options
    )


@pytest.mark.parametrize(
    "outputs", [Two(LOGITS, AUX), {"aux": AUX, "logits": LOGITS, "more": None}]
)
def test_auxiliary_losses_are_weighted_and_recorded(outputs: Any) -> None:
    main, aux = CrossEntropy()(LOGITS, LABELS), CrossEntropy()(AUX, LABELS)
    batch = torch.zeros(2, 1, 1, 1), LABELS
    loss = task(outputs).training_loss(batch)
    torch.testing.assert_close(loss.total, main + 0.3 * aux)
    assert loss.parts.keys() == {"accuracy", "loss_aux"}
    assert loss.parts["accuracy"].tolist() == [True, True]
    torch.testing.assert_close(loss.parts["loss_aux"], aux)
    unweighted = task(outputs, aux_weight=0.0).training_loss(batch)
    assert unweighted.total.equal(main)
    kept = task(outputs).evaluate(batch)
    assert kept.loss is not None
    assert kept.loss.total.equal(main)
    assert kept.rows["probabilities"].equal(LOGITS.softmax(1))
    assert Classification.rows(outputs)["prediction"].tolist() == [0, 1]


def test_one_tensor_is_the_logits() -> None:
    loss = task(LOGITS).training_loss((torch.zeros(2, 1, 1, 1), LABELS))
    assert loss.total.equal(CrossEntropy()(LOGITS, LABELS))
    assert loss.parts.keys() == {"accuracy"}


@pytest.mark.parametrize(
    ("outputs", "returned"),
    [
        ({"out": LOGITS, "aux": None}, r"out \(tensor \(2, 3\)\)"),
        ({"logits": LOGITS, "maps": [AUX]}, r"logits \(tensor \(2, 3\)\), maps \(list\)"),
        ({"logits": None}, "nothing"),
        ((LOGITS, AUX), "tuple"),
    ],
)
def test_outputs_without_logits_are_one_line(outputs: Any, returned: str) -> None:
    line = rf"model: the network returns {returned}; .*'logits' among them$"
    with pytest.raises(ConfigError, match=line):
        named_outputs(outputs, "logits")


def test_an_auxiliary_output_has_the_shape_of_the_logits() -> None:
    features = torch.zeros(2, 7)
    line = r"returns 'features' of shape \(2, 7\) beside logits of shape \(2, 3\)"
    with pytest.raises(ConfigError, match=line):
        task({"logits": LOGITS, "features": features}).training_loss((torch.zeros(2), LABELS))


def test_the_multiplications_of_every_output_are_counted() -> None:
    class Headed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = nn.ModuleDict({"logits": nn.Linear(4, 3), "aux": nn.Linear(4, 3)})

        def forward(self, given: Tensor) -> dict[str, Tensor]:
            return {name: head(given) for name, head in self.heads.items()}

    assert count_macs(Headed(), torch.empty(1, 4, device="meta")) == 24
