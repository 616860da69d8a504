"""Texts: from files to words, parts, batches of numbers, and what is said of them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from fovea.config.errors import ConfigError, DataError
from fovea.data.base import EpochLoader
from fovea.data.sources.rotten_tomatoes import RottenTomatoes
from fovea.data.sources.text_csv import TextCsv
from fovea.data.sources.text_folder import TextFolder
from fovea.data.text.module import TextData
from fovea.data.text.source import LabelledTexts, TextSet, TextSource
from fovea.data.text.vectors import read_vectors
from fovea.data.text.words import count_words, number, pad, split_words

GOOD, BAD = "a fine film", "a dull , dull film"


class Given(TextSource):
    """Texts and labels that are in memory."""

    def __init__(self, **parts: Sequence[tuple[str, int]]) -> None:
        self.parts = parts

    def read(self, root: Path) -> TextSet:
        return TextSet(
            ("bad", "good"),
            {
                name: LabelledTexts(
                    [text for text, _ in part],
                    torch.tensor([label for _, label in part]),
                    [f"{name}:{place}" for place in range(len(part))],
                )
                for name, part in self.parts.items()
            },
        )


def data(source: TextSource | None = None, root: Path = Path("here"), **options: Any) -> TextData:
    train = [(f"{GOOD} {place}", 1) for place in range(20)]
    train += [(f"{BAD} {place}", 0) for place in range(20)]
    return TextData(source or Given(train=train), str(root), **({"batch_size": 8} | options))


def test_words_are_those_of_kims_preprocessing() -> None:
    text = "It's NOT bad(really) ,I don't -- \"we'll\" say 'so': caf\xe9!"
    assert split_words(text, "words") == (
        [
            "it",
            "'s",
            "not",
            "bad",
            "(",
            "really",
            ")",
            ",",
            "i",
            "do",
            "n't",
            "we",
            "'ll",
            "say",
            "'so'",
            "caf",
            "!",
        ]
    )
    assert split_words("It's bad!\n so", "spaces") == ["It's", "bad!", "so"]


def test_a_vocabulary_and_padded_numbers() -> None:
    texts = [["b", "a", "b"], ["c"], ["a", "d"]]
    assert count_words(texts, 1) == ["a", "b", "c", "d"]
    assert count_words(texts, 2) == ["a", "b"]
    tokens, lengths = pad([*texts, []], number(["a", "b"]))
    assert tokens.tolist() == [[3, 2, 3], [1, 0, 0], [2, 1, 0], [0, 0, 0]]
    assert lengths.tolist() == [3, 1, 2, 0]
    assert pad([[]], {})[0].shape == (1, 1)


def test_the_vocabulary_is_of_the_training_part_alone() -> None:
    own = data(Given(train=[(GOOD, 1), (BAD, 0)] * 2, test=[("a new film", 1)]), val_fraction=0)
    assert own.describe()["words"] == ["a", "dull", "film", ",", "fine"]
    assert own.offers["vocabulary"] == 7
    ((tokens, labels),) = own.loader("test")
    assert (tokens.tolist(), labels.tolist()) == ([[2, 1, 4]], [1])
    assert own.found.notes[0] == (
        "vocabulary: 5 words of the training part; 33.3% of the test part's words are not in it"
    )
    rare = data(own.source, val_fraction=0, min_count=3)
    assert rare.describe()["words"] == ["a", "dull", "film"]


def test_batches_are_as_long_as_their_longest_text() -> None:
    own = data(
        Given(train=[(GOOD, 1), (BAD, 0)] * 4, test=[(GOOD, 1), (BAD, 0)]),
        batch_size=1,
        val_fraction=0,
    )
    assert [tuple(tokens.shape) for tokens, _ in own.loader("test")] == [(1, 3), (1, 5)]
    (first, *_), (again, *_) = (list(own.loader("train", train=True)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert first[0].dtype == torch.int64
    cut = data(own.source, max_words=2, val_fraction=0)
    assert [tuple(tokens.shape) for tokens, _ in cut.loader("test")] == [(2, 2)]
    assert "texts cut to data.max_words=2: 10" in cut.found.warnings


def test_an_epoch_can_be_gone_on_with() -> None:
    own = data()
    whole, rest = own.loader("train", train=True), own.loader("train", train=True)
    assert isinstance(whole, EpochLoader)
    assert isinstance(rest, EpochLoader)
    whole.set_epoch(1)
    rest.set_epoch(1, start=2)
    texts = [tokens.tolist() for tokens, _ in whole]
    assert len(texts) == 4
    assert [tokens.tolist() for tokens, _ in rest] == texts[2:]
    rest.set_epoch(2)
    assert [tokens.tolist() for tokens, _ in rest] != texts


def test_parts_are_held_out_and_folds_are_dealt() -> None:
    assert data().sizes == {"train": 28, "val": 4, "test": 8}
    tested = []
    for fold in range(5):
        own = data(folds=5, fold=fold)
        assert own.sizes == {"train": 28, "val": 4, "test": 8}
        tested += own.samples("test") or []
    assert len(set(tested)) == 40
    assert tested[0].startswith("train:")
    assert "data.fold=4 of 5, of 40 texts" in own.found.notes[-1]


def test_copies_are_counted() -> None:
    own = data(
        Given(train=[(GOOD, 1), (BAD, 0), (GOOD, 0), (BAD, 0)], test=[(GOOD, 1)]), val_fraction=0
    )
    assert own.found.deviations == ["1 of 1 test texts is a copy of a training text"]
    assert own.found.warnings[-1] == "texts with a copy in another class: 3"


def test_the_fingerprint_is_of_texts_and_labels() -> None:
    one = data().fingerprint
    assert data(root=Path("elsewhere"), split_seed=1, batch_size=4).fingerprint == one
    other = [(GOOD, 1), (BAD, 0)] * 10
    assert data(Given(train=other)).fingerprint != one
    assert (
        data(Given(train=[(text, 1 - label) for text, label in other])).fingerprint
        != data(Given(train=other)).fingerprint
    )


def test_a_model_that_does_not_fit_the_data_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.vectors=a\.txt: this network takes none"):
        data(vectors="a.txt").serve({"num_classes": 2})
    with pytest.raises(ConfigError, match=r"model\.vocabulary=3: the data has"):
        data().serve({"vocabulary": 3})


@pytest.mark.parametrize("head", ["", "4 2\n"])
def test_vectors_are_read_for_known_words(tmp_path: Path, head: str) -> None:
    path = tmp_path / "vectors.txt.gz"
    text = f"{head}fine 1 2.5\nnot here 3 4\na -1 0\n"
    path.write_bytes(gzip.compress(text.encode()))
    found = read_vectors(path, number(["a", "film", "fine"]))
    assert found[[2, 4]].tolist() == [[-1, 0], [1, 2.5]]
    assert found[[0, 1, 3]].isnan().all()
    own = data(root=tmp_path, vectors=path.name)
    assert own.offers["vectors"].shape == (own.offers["vocabulary"], 2)
    assert any(note.startswith("vectors.txt.gz: vectors of 2 of ") for note in own.found.notes)
    assert own.fingerprint != data().fingerprint


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a 1 2\nfilm 1 x\n", ":2: not 2 numbers after a word"),
        ("a 1 2\nfilm 1\n", ":2: not 2 numbers after a word"),
        ("a 1 nan\n", ":1: not 2 numbers after a word"),
        ("", ":1: should be a word and its values"),
    ],
)
def test_vectors_that_are_none(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=reason):
        read_vectors(path, number(["a", "film"]))


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_rotten_tomatoes(tmp_path: Path) -> None:
    write(tmp_path, {"rotten_tomatoes/rt-polarity.neg": b"so caf\xe9\n\ndull \n"})
    write(tmp_path, {"rotten_tomatoes/rt-polarity.pos.gz": gzip.compress(b"fine\n")})
    held = RottenTomatoes().read(tmp_path)
    assert held.classes == ("negative", "positive")
    train = held.parts["train"]
    assert list(train.samples) == ["so caf\xe9", "dull", "fine"]
    assert train.labels.tolist() == [0, 0, 1]
    assert train.names[1:] == [
        "rotten_tomatoes/rt-polarity.neg:3",
        "rotten_tomatoes/rt-polarity.pos:1",
    ]


def test_a_folder_of_classes_and_one_of_parts(tmp_path: Path) -> None:
    write(tmp_path, {"own/b/1.txt": "one", "own/a/2.txt": "two\nlines", "own/a/x.jpg": ""})
    held = TextFolder("own").read(tmp_path)
    assert (held.classes, list(held.parts)) == (("a", "b"), ["train"])
    assert list(held.parts["train"].samples) == ["two\nlines", "one"]
    assert held.notes == ["own: 2 files used; ignored: 1"]
    write(
        tmp_path, {"imdb/train/b/1.txt": "1", "imdb/train/a/2.txt": "2", "imdb/test/b/3.txt": "3"}
    )
    held = TextFolder("imdb").read(tmp_path)
    assert held.parts["test"].labels.tolist() == [1]
    assert held.parts["test"].names == ["imdb/test/b/3.txt"]


def test_a_csv_file(tmp_path: Path) -> None:
    rows = 'id;said;mood;part\n1;"so; ""fine""\nfilm";+;training\n\n2;dull;-;train\n3;x;+;dev\n'
    write(tmp_path, {"said.csv": rows})
    source = TextCsv("said.csv", text="said", label="mood", part="part", delimiter=";")
    held = source.read(tmp_path)
    assert held.classes == ("+", "-")
    assert list(held.parts["train"].samples) == ['so; "fine"\nfilm', "dull"]
    assert held.parts["train"].names == ["said.csv:2", "said.csv:5"]
    assert held.parts["val"].labels.tolist() == [0]


READERS: dict[str, Callable[[], TextSource]] = {
    "rotten": RottenTomatoes,
    "folder": lambda: TextFolder("own"),
    "csv": lambda: TextCsv("x.csv", part="part"),
}
HEAD = "text,label,part\n"


@pytest.mark.parametrize(
    ("reader", "files", "reason"),
    [
        ("rotten", {}, "no such folder"),
        ("rotten", {"rotten_tomatoes/rt-polarity.neg": "x"}, "no rt-polarity.pos"),
        ("rotten", {"rotten_tomatoes/rt-polarity.neg": "\n"}, "rt-polarity.neg: no sentence"),
        (
            "rotten",
            {"rotten_tomatoes/rt-polarity.neg": b"x\n\x81"},
            r"rt-polarity.neg:2: byte 0x81 is not cp1252; replace the file",
        ),
        ("folder", {}, "no such folder"),
        ("folder", {"own/x.txt": "x"}, "no folders in it"),
        ("folder", {"own/a/x.txt": "x", "own/b/x.md": ""}, "own/b: no .txt file in this class"),
        ("folder", {"own/test/a/x.txt": "x"}, "own: test, but no train folder"),
        ("folder", {"own/train/a/x.txt": "x", "own/b/x.txt": ""}, "'b' beside train, val, test"),
        (
            "folder",
            {"own/train/film/x.txt": "x", "own/test/films/x.txt": ""},
            "own/test/films: no such class in the training part; did you mean 'film'?",
        ),
        (
            "folder",
            {"own/a/x.txt": b"one\ntw\xff"},
            r"own/a/x.txt:2: byte 0xff is not utf-8; set data.source.encoding",
        ),
        ("csv", {}, "x.csv: no such file"),
        ("csv", {"x.csv": ""}, r"x.csv:1: no column 'text' \(there are: none\)"),
        ("csv", {"x.csv": "texts,label,part\n"}, "no column 'text'; did you mean 'texts'?"),
        ("csv", {"x.csv": "text,text,label,part\n"}, "x.csv:1: two columns 'text'"),
        ("csv", {"x.csv": HEAD + '"a\nb",c,train\nd,e\n'}, "x.csv:4: 2 fields, and the header has"),
        ("csv", {"x.csv": HEAD + "a, ,train\n"}, "x.csv:2: no label"),
        ("csv", {"x.csv": HEAD + "a,b,c\n"}, "x.csv:2: part 'c' is not train, val or test"),
        ("csv", {"x.csv": HEAD + "a,b,test\n"}, "x.csv: no row of the train part"),
        ("csv", {"x.csv": HEAD + 'a,"b"c,train\n'}, "x.csv:2: .* expected after .*; fix that row"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, reader: str, files: dict[str, str | bytes], reason: str
) -> None:
    write(tmp_path, files)
    with pytest.raises(DataError, match=reason) as raised:
        READERS[reader]().read(tmp_path)
    assert "\n" not in str(raised.value)


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    write(tmp_path, {"own/a/x.txt": "x"})
    with pytest.raises(DataError, match="one class only, 'a'"):
        data(TextFolder("own"), tmp_path).setup()


@pytest.mark.parametrize("encoding", ["hex", "no-such", ""])
def test_an_encoding_that_is_none(encoding: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.source\.encoding"):
        TextFolder("own", encoding)


def test_new_texts_are_prepared_as_those_trained_on(tmp_path: Path) -> None:
    own = data(val_fraction=0, max_words=4)
    described = own.describe()
    write(tmp_path, {"new.txt": f"{GOOD}!\n\n  {BAD} \r\n"})
    (lines,) = TextData.read(described, [str(tmp_path / "new.txt")])
    assert lines.names == [f"{GOOD}!", BAD]
    numbers = number(described["words"])
    unknown = numbers.get("!", 1)
    assert lines.tensors[0].tolist() == [
        [*(numbers[word] for word in GOOD.split()), unknown],
        [numbers[word] for word in BAD.split()[:4]],
    ]
    (typed,) = TextData.read_texts(described, [GOOD])
    assert typed.tensors[0].tolist() == [[numbers[word] for word in GOOD.split()]]
    with pytest.raises(DataError, match="a text itself goes with --text"):
        list(TextData.read(described, ["none.txt"]))
