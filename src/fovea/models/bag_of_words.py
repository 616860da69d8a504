"""A bag of words: a linear classifier of the mean of word vectors."""

from __future__ import annotations

from torch import Tensor, nn

from fovea.config.types import PositiveInt

_PADDING = 0  # a word that is none


class BagOfWords(nn.Module):
    """The mean of trained word vectors and a linear layer: the order of words does not count.

    fastText's classifier (Joulin et al. 2016, arXiv 1607.01759, section 2) with one word at a time,
    without its n-grams. Initial values as there: vectors uniform within ±1/width, the layer 0.

    Args:
        num_classes: width of the output.
        vocabulary: words, with the number 0, which is padding and has no part in the mean.
        width: values of a word vector.
    """

    def __init__(
        self, num_classes: PositiveInt, vocabulary: PositiveInt, width: PositiveInt = 300
    ) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=_PADDING)
        nn.init.uniform_(self.words.weight, -1 / width, 1 / width)
        self.words.weight.data[_PADDING] = 0
        self.head = nn.Linear(width, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map numbers of words ``(N, L)`` to logits ``(N, num_classes)``."""
        return self.head(self.words(tokens))
