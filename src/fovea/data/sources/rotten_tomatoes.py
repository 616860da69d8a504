"""Movie-review polarity: sentences of Rotten Tomatoes reviews, rotten or fresh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from fovea.config.errors import DataError
from fovea.data.sources.image_files import name_below
from fovea.data.sources.storage import find, missing
from fovea.data.sources.text_files import read_decoded
from fovea.data.text.source import LabelledTexts, TextSet, TextSource

_FILES = {"negative": "rt-polarity.neg", "positive": "rt-polarity.pos"}
_ENCODING = "cp1252"


@dataclass(frozen=True)
class RottenTomatoes(TextSource):
    """5,331 positive and 5,331 negative sentences, without a split. Pang and Lee 2005.

    "Seeing stars", ACL 2005; sentence polarity data set v1.0. A line is a tokenised sentence in
    lower case. Kim 2014 calls the set MR and cross-validates over ten folds.

    Args:
        folder: below the data root, or absolute; holds ``rt-polarity.neg`` and ``.pos``, plain,
            ``.gz`` or ``.xz``.
    """

    folder: str = "rotten_tomatoes"

    def read(self, root: Path) -> TextSet:
        folder = root / Path(self.folder).expanduser()
        texts: list[str] = []
        labels: list[int] = []
        names: list[str] = []
        for label, file in enumerate(_FILES.values()):
            path = find(file, [folder])
            if path is None:
                raise missing(f"{file} (or .gz, .xz)", folder)
            lines = read_decoded(path, _ENCODING, "replace the file").split("\n")
            found = [(line.strip(), place) for place, line in enumerate(lines, 1) if line.strip()]
            if not found:
                raise DataError(f"{path}: no sentence")
            texts += [text for text, _ in found]
            labels += [label] * len(found)
            names += [f"{name_below(folder / file, root)}:{place}" for _, place in found]
        return TextSet(tuple(_FILES), {"train": LabelledTexts(texts, torch.tensor(labels), names)})
