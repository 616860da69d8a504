"""The data module of text classification: one for every set of texts and format.

A source reads labelled texts; the module splits them, numbers the words of the training part, and
serves batches of ``(N, L)`` numbers of words and ``(N,)`` labels on the training device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fovea.config.errors import ConfigError, DataError
from fovea.config.files import read_text
from fovea.config.types import Folds, Fraction, NonNegativeInt, PositiveInt, Seed, Unscientific
from fovea.data.base import Data, Found, Inputs, PartName
from fovea.data.inventory import Inventory, take_inventory
from fovea.data.order import EpochOrder
from fovea.data.parts import Part, Protocol, split_parts
from fovea.data.tensors import TensorLoader
from fovea.data.text.source import LabelledTexts, TextSource
from fovea.data.text.vectors import read_vectors
from fovea.data.text.words import SPECIAL, Splitting, count_words, number, pad, split_words

_NOUN = "text"
_BATCH = 256  # new texts that are predicted at once


class TextData(Data):
    """Serves labelled texts to Lightning.

    A batch is ``(N, L)`` int64 numbers of words and ``(N,)`` int64 labels. 0 is padding, which ends
    texts shorter than the batch's longest; 1 is any word that the training part lacks.

    Args:
        source: reads the texts.
        root: data root; the source's own files lie below it.
        val_fraction: share of the training part held out for validation, stratified by class. A
            validation part of the set's own is used instead where there is one.
        test_fraction: share held out for testing first, where the set has no test part.
        split_seed: seed of these splits and of the folds.
        folds: of a cross-validation: the training part is dealt into so many, stratified by class;
            one of them is the test part, and the set's own is not used. ``None`` is none.
        fold: that one, from 0.
        splitting: how a text becomes words; see :func:`~fovea.data.text.words.split_words`.
        min_count: a word that occurs less often in the training part is unknown.
        max_words: of a text; what comes after them is cut off.
        vectors: a file of word vectors, below the data root or absolute; ``None`` is none.
        batch_size: texts per optimizer step on one device.
        seed: the run's seed; the order of samples is a function of it and the epoch.
    """

    def __init__(
        self,
        source: TextSource,
        root: Unscientific[str],
        val_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.2,
        split_seed: Seed = 0,
        folds: Folds | None = None,
        fold: NonNegativeInt = 0,
        splitting: Splitting = "words",
        min_count: PositiveInt = 1,
        max_words: PositiveInt = 1000,
        vectors: str | None = None,
        batch_size: PositiveInt = 64,
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        self.source = source
        self.root = Path(root).expanduser()
        self.protocol = Protocol(
            val_fraction, test_fraction, "validation", split_seed, folds, fold, _NOUN
        )
        self.splitting: Splitting = splitting
        self.min_count = min_count
        self.max_words = max_words
        self.vectors = vectors
        self.batch_size = batch_size
        self.seed = seed

    @property
    def offers(self) -> Mapping[str, Any]:
        """``num_classes``, names of the ``classes``, size of the ``vocabulary``, its ``vectors``.

        The vectors are float32 ``(vocabulary, values)``, NaN where the file has none; ``None``
        without a file.
        """
        ready = self._ready
        return _offers(ready.classes, len(ready.words)) | {"vectors": ready.vectors}

    @classmethod
    def offers_of(cls, described: Mapping[str, Any]) -> Mapping[str, Any]:
        return _offers(described["classes"], len(described["words"]))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over texts, labels and parts, and over the vectors of the vocabulary."""
        return self._ready.fingerprint

    @property
    def sizes(self) -> Mapping[str, int]:
        return {name: len(part) for name, part in self._ready.parts.items()}

    @property
    def found(self) -> Found:
        found = self._ready.inventory
        return Found(found.notes, found.deviations, found.warnings)

    @property
    def example(self) -> tuple[Tensor, ...]:
        """The longest text of the training part."""
        train = self._ready.parts["train"]
        _, lengths = self._ready.numbered[train.source]
        longest = max(1, int(lengths[train.rows].max()))
        return (torch.empty(1, longest, dtype=torch.int64, device="meta"),)

    def serve(self, inputs: Mapping[str, Any]) -> None:
        if self.vectors is not None and "vectors" not in inputs:
            raise ConfigError(f"data.vectors={self.vectors}: this network takes none; leave it out")
        for key in ("num_classes", "vocabulary"):
            if inputs.get(key, self.offers[key]) < self.offers[key]:
                raise ConfigError(f"model.{key}={inputs[key]}: the data has {self.offers[key]}")

    def describe(self) -> dict[str, Any]:
        ready = self._ready
        found = ready.inventory
        return {
            "fingerprint": ready.fingerprint,
            "classes": list(ready.classes),
            "sizes": self.sizes,
            "served": {"splitting": self.splitting, "max_words": self.max_words},
            "words": ready.words,
            "copies": None if found.copies is None else asdict(found.copies),
            "notes": [*found.notes, *found.deviations, *found.warnings],
            "skipped": [],
        }

    @classmethod
    def read(cls, described: Mapping[str, Any], given: Sequence[str]) -> Iterator[Inputs]:
        """Yield the lines of UTF-8 files; blank ones are left out."""
        for file in given:
            try:
                lines = read_text(Path(file), DataError).split("\n")
            except FileNotFoundError:
                raise DataError(f"{file}: no such file; a text itself goes with --text") from None
            texts = [line.strip() for line in lines]
            yield from cls.read_texts(described, [text for text in texts if text])

    @classmethod
    def read_texts(cls, described: Mapping[str, Any], texts: Sequence[str]) -> Iterator[Inputs]:
        numbers, served = number(described["words"]), described["served"]
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            words = [split_words(text, served["splitting"]) for text in batch]
            tokens, _ = pad([each[: served["max_words"]] for each in words], numbers)
            yield Inputs(batch, (tokens.long(),))

    def samples(self, part: PartName) -> list[str] | None:
        """Return file and line, and a digest of the text, of each sample."""
        chosen = self._ready.parts[part]
        names, texts = chosen.of.names, chosen.of.samples
        return [
            f"{names[row]} {sha256(_bytes(texts[row])).hexdigest()[:12]}"
            for row in map(int, chosen.rows)
        ]

    def setup(self, stage: str | None = None) -> None:
        _ = self._ready

    def loader(self, part: PartName, *, train: bool = False) -> Iterable[Any]:
        chosen, trainer = self._ready.parts[part], self.trainer
        order = EpochOrder.for_trainer(
            trainer, chosen.rows, self.batch_size, self.seed, shuffle=train
        )
        tokens, lengths = self._ready.numbered[chosen.source]
        device = trainer.strategy.root_device if trainer else "cpu"
        return _Loader(tokens, chosen.of.labels, lengths, order, device)

    @cached_property
    def _ready(self) -> _Ready:
        held = self.source.read(self.root)
        if len(held.classes) < 2:
            raise DataError(f"one class only, '{''.join(held.classes)}': nothing to tell apart")
        own = _with_content(held.parts)
        parts = split_parts(own, self.protocol, held.classes)
        split = {
            name: [split_words(text, self.splitting) for text in part.samples]
            for name, part in own.items()
        }
        texts = {name: [text[: self.max_words] for text in each] for name, each in split.items()}
        words = count_words((texts["train"][row] for row in parts["train"].rows), self.min_count)
        numbers = number(words)
        vectors = None
        if self.vectors is not None:
            vectors = read_vectors(self.root / Path(self.vectors).expanduser(), numbers)
        every = [text for each in split.values() for text in each]
        test = [texts[parts["test"].source][row] for row in parts["test"].rows]
        return _Ready(
            classes=held.classes,
            parts=parts,
            numbered={name: pad(each, numbers) for name, each in texts.items()},
            words=words,
            vectors=vectors,
            fingerprint=_fingerprint(own, vectors),
            inventory=take_inventory(
                parts,
                held.classes,
                noun=_NOUN,
                notes=[*held.notes, *self._notes(words, test, numbers, vectors)],
                warnings=self._warnings(every),
            ),
        )

    def _notes(
        self,
        words: Sequence[str],
        test: Sequence[Sequence[str]],
        numbers: Mapping[str, int],
        vectors: Tensor | None,
    ) -> Iterator[str]:
        rare = f" that occur {self.min_count} times or more" if self.min_count > 1 else ""
        tested = [word for text in test for word in text]
        unknown = sum(word not in numbers for word in tested) / max(1, len(tested))
        yield (
            f"vocabulary: {len(words):,} words of the training part{rare}; "
            f"{unknown:.1%} of the test part's words are not in it"
        )
        if vectors is not None:
            known = int((~vectors[SPECIAL:, 0].isnan()).sum())
            yield f"{self.vectors}: vectors of {known:,} of {len(words):,} words"

    def _warnings(self, texts: Sequence[Sequence[str]]) -> list[str]:
        cut = sum(len(text) > self.max_words for text in texts)
        empty = sum(not text for text in texts)
        return [
            *([f"texts cut to data.max_words={self.max_words}: {cut}"] if cut else []),
            *([f"texts without a word: {empty}"] if empty else []),
        ]


@dataclass(frozen=True)
class _Ready:
    classes: tuple[str, ...]
    parts: dict[str, Part[LabelledTexts]]  # train, test and, if there is one, val
    numbered: dict[str, tuple[Tensor, Tensor]]  # padded numbers and lengths of the set's own parts
    words: list[str]
    vectors: Tensor | None
    fingerprint: str
    inventory: Inventory


class _Loader(TensorLoader):
    """Serves padded texts, cut to the longest of each batch."""

    def __init__(
        self,
        tokens: Tensor,
        labels: Tensor,
        lengths: Tensor,
        order: EpochOrder,
        device: torch.device | str,
    ) -> None:
        super().__init__((tokens, labels), order, device)
        self._lengths = lengths  # on the host: a batch's shape waits for no device

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        tokens, labels = self.tensors
        for chosen in self.order:
            longest = max(1, int(self._lengths[chosen].max()))
            index = chosen.to(tokens.device)
            yield tokens[index, :longest].long(), labels[index]


def _offers(classes: Sequence[str], words: int) -> dict[str, Any]:
    return {
        "num_classes": len(classes),
        "classes": tuple(classes),
        "vocabulary": SPECIAL + words,
        "vectors": None,
        "noun": _NOUN,
    }


def _with_content(parts: Mapping[str, LabelledTexts]) -> dict[str, LabelledTexts]:
    seen: dict[str, int] = {}
    return {
        name: replace(
            part, content=torch.tensor([seen.setdefault(text, len(seen)) for text in part.samples])
        )
        for name, part in parts.items()
    }


def _fingerprint(parts: Mapping[str, LabelledTexts], vectors: Tensor | None) -> str:
    digest = sha256()
    for name, part in parts.items():
        digest.update(f"{name} texts {len(part)}".encode())
        for text in part.samples:
            digest.update(sha256(_bytes(text)).digest())
        digest.update(part.labels.numpy().tobytes())
    if vectors is not None:
        digest.update(vectors.numpy().tobytes())
    return digest.hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
