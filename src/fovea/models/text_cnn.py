"""Kim's convolutional network for sentences: windows of words, and the strongest of each map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fovea.config.errors import ConfigError
from fovea.config.types import Fraction, PositiveFloat, PositiveInt
from fovea.models.layers.dropout import Dropout
from fovea.models.layers.max_norm import MaxNormLinear

_PADDING = 0  # a word that is none
_RANDOM = 0.25  # of random vectors, which are uniform within ±: the variance of word2vec's
_FILTERS = 0.01  # of filters, likewise


class TextCNN(nn.Module):
    """Convolutions over word vectors, ReLU, max over time, dropout, and a bounded linear layer.

    Kim 2014, "Convolutional neural networks for sentence classification", EMNLP, arXiv 1408.5882:
    section 2 and the hyper-parameters of section 3.1. CNN-rand without ``vectors``, CNN-non-static
    with them, CNN-static with ``train_vectors: false``. Initial values, and dropout that scales the
    features in evaluation rather than in training, are those of the author's code.

    Padding does not change the result: its vector is 0 and is not trained, and every convolution
    has a window of nothing else at each end, as the author's sentences of a fixed length have.

    Args:
        num_classes: width of the output.
        vocabulary: words, with the number 0, which is padding.
        vectors: float ``(vocabulary, width)``, NaN where a word has none; it gets a random one of
            the others' variance. ``None``: all are random.
        train_vectors: whether they are trained.
        width: values of a word vector.
        windows: words that a filter spans.
        maps: filters of each window.
        dropout: before the last layer.
        max_norm: of the last layer's rows; ``None`` does not bound them.

    Raises:
        ConfigError: the vectors are of another width.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        vocabulary: PositiveInt,
        vectors: Tensor | None = None,
        train_vectors: bool = True,
        width: PositiveInt = 300,
        windows: Sequence[PositiveInt] = (3, 4, 5),
        maps: PositiveInt = 100,
        dropout: Fraction = 0.5,
        max_norm: PositiveFloat | None = 3.0,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=_PADDING)
        self.words.weight.data.copy_(_initial(vocabulary, width, vectors))
        self.words.weight.requires_grad = train_vectors
        self.convs = nn.ModuleList(_filters(width, maps, window) for window in windows)
        self.dropout = Dropout(dropout)
        self.head = MaxNormLinear(maps * len(windows), num_classes, max_norm)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map numbers of words ``(N, L)`` to logits ``(N, num_classes)``."""
        vectors = self.words(tokens).transpose(1, 2)
        features = torch.cat([conv(vectors).amax(dim=2).relu() for conv in self.convs], dim=1)
        return self.head(self.dropout(features) * (1 - self.dropout.p))


def _filters(width: int, maps: int, window: int) -> nn.Conv1d:
    conv = nn.Conv1d(width, maps, window, padding=window)
    nn.init.uniform_(conv.weight, -_FILTERS, _FILTERS)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


def _initial(vocabulary: int, width: int, vectors: Tensor | None) -> Tensor:
    bound = _RANDOM
    if vectors is not None:
        size = vectors.shape[1]
        if size != width:
            raise ConfigError(f"model.width={width}: the vectors have {size} values; set that")
        found = vectors[~vectors.isnan()]
        bound = float(3**0.5 * found.std()) if len(found) > 1 else bound
    initial = torch.empty(vocabulary, width).uniform_(-bound, bound)
    if vectors is not None:
        initial = torch.where(vectors.isnan(), initial, vectors)
    initial[_PADDING] = 0
    return initial
