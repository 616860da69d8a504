"""Networks for texts: sizes, padding, bounded weights, and vectors that are given."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fovea.config.errors import ConfigError
from fovea.models.bag_of_words import BagOfWords
from fovea.models.cost import count_macs, count_parameters
from fovea.models.text_cnn import TextCNN

SMALL = partial(TextCNN, 3, 20, width=6, windows=(2, 3), maps=4)
NETWORKS = [SMALL, partial(BagOfWords, 3, 20, width=6)]


def moved(model: nn.Module) -> nn.Module:
    """Return a network whose weights are all random, but for padding's vector."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            rows = weights[1:] if name.startswith("words.") else weights
            rows.normal_()
    return model.eval()


def test_sizes_are_those_computed_by_hand() -> None:
    kim = TextCNN(2, 18_766)
    filters = sum(100 * (300 * window + 1) for window in (3, 4, 5))
    assert count_parameters(kim) == 18_766 * 300 + filters + 2 * (300 + 1) == 5_990_702
    static = TextCNN(2, 18_766, train_vectors=False)
    assert count_parameters(static) == filters + 602
    windows = sum(300 * 100 * window * (56 + window + 1) for window in (3, 4, 5))
    tokens = torch.empty(1, 56, dtype=torch.int64, device="meta")
    assert count_macs(kim, tokens) == windows + 300 * 2
    bag = BagOfWords(2, 18_766)
    assert count_parameters(bag) == 18_766 * 300 + 602
    assert count_macs(bag, tokens) == 600


@pytest.mark.parametrize("network", NETWORKS)
def test_padding_does_not_change_the_result(network: partial[nn.Module]) -> None:
    model = moved(network())
    tokens = torch.randint(1, 20, (5, 4))
    logits = model(tokens)
    assert logits.shape == (5, 3)
    for more in (1, 7):
        torch.testing.assert_close(model(F.pad(tokens, (0, more))), logits)
    assert model(torch.zeros(1, 1, dtype=torch.int64)).isfinite().all()


@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_trains_every_weight_but_padding(network: partial[nn.Module]) -> None:
    torch.manual_seed(0)
    model = moved(network()).train()
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    logits = model(F.pad(torch.arange(1, 20)[None], (0, 3)))
    F.cross_entropy(logits, torch.tensor([1])).backward()
    torch.optim.Adadelta(model.parameters(), weight_decay=0.1).step()
    for name, weights in model.named_parameters():
        assert not torch.equal(weights, before[name]), name
    (words,) = (weights for name, weights in model.named_parameters() if "words" in name)
    assert not words[0].any()


def test_an_order_of_words_counts_for_windows_alone() -> None:
    tokens = torch.tensor([[2, 3, 4, 5]])
    cnn, bag = (moved(network()) for network in NETWORKS)
    assert not torch.allclose(cnn(tokens), cnn(tokens.flip(1)))
    torch.testing.assert_close(bag(tokens), bag(tokens.flip(1)))


def test_rows_of_the_last_layer_stay_within_their_norm() -> None:
    model = moved(SMALL(max_norm=0.5, dropout=0.0)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=10)
    tokens, labels = torch.randint(1, 20, (8, 5)), torch.arange(8) % 3
    for _ in range(3):
        for half in (slice(0, 4), slice(4, 8)):  # of a batch that is accumulated
            F.cross_entropy(model(tokens[half]), labels[half]).backward()
        norms = model.head.weight.norm(dim=1)
        assert norms.max() <= 0.5
        start, gradient = model.head.weight.detach().clone(), model.head.weight.grad
        assert gradient is not None
        optimizer.step()
        torch.testing.assert_close(model.head.weight, start - 10 * gradient)
        optimizer.zero_grad()
    stepped = model.head.weight.detach().clone()
    restored = SMALL(max_norm=0.5, dropout=0.0)
    restored.load_state_dict(model.state_dict())
    with torch.inference_mode():
        assert torch.equal(restored.eval()(tokens), model.eval()(tokens))
    factor = (0.5 / stepped.norm(dim=1, keepdim=True)).clamp(max=1)
    assert factor.min() < 1
    torch.testing.assert_close(model.head.weight, stepped * factor)


def test_norms_may_be_any() -> None:
    model = moved(SMALL(max_norm=None))
    before = model.head.weight.detach().clone()
    model(torch.ones(1, 1, dtype=torch.int64))
    assert torch.equal(model.head.weight, before)
    assert before.norm(dim=1).max() > 1


def test_dropout_scales_features_in_evaluation_as_the_paper_has_it() -> None:
    model = moved(SMALL(dropout=0.25, max_norm=None))
    tokens = torch.randint(1, 20, (2, 5))
    bias = model.head.bias
    whole = SMALL(dropout=0.0, max_norm=None).eval()
    whole.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(tokens) - bias, 0.75 * (whole(tokens) - bias))


def test_vectors_that_are_given_and_those_that_are_not() -> None:
    vectors = torch.full((1000, 6), math.nan)
    vectors[:500] = 0.4 * torch.randn(500, 6)
    model = TextCNN(3, 1000, vectors, width=6, train_vectors=False)
    weights = model.words.weight
    assert torch.equal(weights[1:500], vectors[1:500])
    assert not weights[0].any()
    assert not weights.requires_grad
    assert weights[500:].std() == pytest.approx(0.4, rel=0.05)
    assert weights[500:].abs().max() <= 0.4 * 3**0.5 * 1.1
    random = TextCNN(3, 1000, width=6).words.weight.detach()
    assert random.abs().max() <= 0.25
    assert random.std() == pytest.approx(0.25 / 3**0.5, rel=0.05)
    with pytest.raises(ConfigError, match=r"model\.width=5: the vectors have 6 values"):
        TextCNN(3, 1000, vectors, width=5)
