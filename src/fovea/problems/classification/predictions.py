"""The predictions of a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fovea.problems.predictions import Answers, Chart, Predictions, RecordedRun, Rows
from fovea.records.quantities import Quantity

_TOP = 5
_NONE = "no prediction"  # what a network says whose outputs are no numbers
_MOST = 100_000  # classes, where a record names none


class ClassPredictions(Predictions):
    """Of every sample ``label``, ``prediction`` and ``probabilities`` of the outputs.

    ``accuracy`` is the share of samples predicted rightly, ``top5_accuracy`` (above five outputs)
    that of those whose class is among the five most probable, and ``macro_f1`` the mean F1 over the
    classes that occur or are predicted. A class whose probability equals others' counts as ranked
    before them.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "accuracy": Quantity("accuracy", "percent", "higher"),
        "top5_accuracy": Quantity("top-5 accuracy", "percent", "higher"),
        "macro_f1": Quantity("macro F1", "percent", "higher"),
    }

    @classmethod
    def checked(cls, rows: Rows, described: Mapping[str, Any]) -> Self:
        classes = described.get("classes", [])
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError("data.json: classes")
        found: dict[str, NDArray[Any]] = {}
        outputs = _MOST
        if "probabilities" in rows:
            probabilities = rows["probabilities"]
            if probabilities.ndim != 2 or not np.issubdtype(probabilities.dtype, np.floating):
                raise ValueError(f"probabilities are {probabilities.dtype}")
            outputs = probabilities.shape[1]
        for name, count in (
            ("label", min(outputs, len(classes) or _MOST)),
            ("prediction", outputs),
        ):
            if name not in rows:
                raise ValueError(f"no column {name}")
            numbers = rows[name]
            if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer):
                raise ValueError(f"{name}: {numbers.dtype}, no class numbers")
            for row in np.flatnonzero((numbers < 0) | (numbers >= count)):
                raise ValueError(f"{name}: row {row}: {numbers[row]} is outside 0–{count - 1}")
            found[name] = numbers.astype(np.int64)
        return cls({**rows, **found}, {"classes": tuple(classes)})

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.rows["label"]

    @property
    def guesses(self) -> NDArray[np.int64]:
        """The predicted classes."""
        return self.rows["prediction"]

    @property
    def classes(self) -> list[str]:
        """The name of every output that occurs; outputs above the classes have none."""
        known = list(self.names.get("classes", ()))
        outputs = self.rows["probabilities"].shape[1] if "probabilities" in self.rows else 0
        seen = [self.rows[name] for name in ("label", "prediction") if name in self.rows]
        last = int(max(numbers.max(initial=-1) for numbers in seen)) + 1
        extra = range(len(known), max(last, outputs))
        return [*known, *(f"output {index}" for index in extra)]

    def metrics(self) -> dict[str, float]:
        found = {"accuracy": float(self.scores().mean()), "macro_f1": self._macro_f1()}
        probabilities = self.rows["probabilities"]
        if probabilities.shape[1] > _TOP:
            found["top5_accuracy"] = self.bounds()["top5_accuracy"][1]
        return found

    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """Return what top-5 accuracy can be: of equal probabilities any may rank first."""
        probabilities = self.rows["probabilities"]
        own = probabilities[np.arange(len(self)), self.labels][:, None]
        above = (probabilities > own).sum(axis=1)
        not_below = (probabilities >= own).sum(axis=1) - 1
        return {"top5_accuracy": (float((not_below < _TOP).mean()), float((above < _TOP).mean()))}

    def scores(self) -> NDArray[np.bool_]:
        return self.guesses == self.labels

    def ranks(self) -> NDArray[np.floating]:
        """Return by how much the true class is more probable than the next."""
        probabilities = self.rows["probabilities"].copy()
        places = np.arange(len(self)), self.labels
        own = probabilities[places]
        probabilities[places] = -1
        return own - probabilities.max(axis=1)

    def caption(self, row: int) -> str:
        names = self.classes
        return f"{names[self.labels[row]]}, predicted {names[self.guesses[row]]}"

    def answers(self, top: int) -> Answers:
        classes, probabilities = self.classes, self.rows["probabilities"]
        count = max(1, min(top, len(classes)))
        ranks = probabilities.argsort(axis=1)[:, ::-1][:, :count]
        texts, table, records, captions = [], [], [], []
        for row, ranked in zip(probabilities, ranks, strict=True):
            if not np.isfinite(row).all():
                texts.append([_NONE, "–"])
                table.append([_NONE, "", *[""] * len(classes)])
                records.append({"class": _NONE, "probabilities": None})
                captions.append(_NONE)
                continue
            found = [(classes[index], float(row[index])) for index in ranked]
            (name, share), *others = found
            then = ", ".join(f"{other} {chance:.1%}" for other, chance in others)
            texts.append([name, f"{share:.1%}", *([then] if then else [])])
            table.append([name, share, *(f"{value:.6f}" for value in row)])
            shares = dict(zip(classes, map(float, row), strict=True))
            records.append({"class": name, "probabilities": shares})
            captions.append(f"{name} {share:.0%}")
        heading = [self.names.get("noun", "image"), "class", "probability"]
        printed = [*heading, *(["then"] if count > 1 else [])]
        return Answers((printed, texts), ([*heading, *classes], table), records, captions)

    def details(self) -> dict[str, Any]:
        shares = self.accuracy_by_class()
        known = self.names.get("classes", ())
        return {
            "per_class_accuracy": {
                name: None if share != share else round(share, 6)
                for name, share in zip(known, shares.tolist(), strict=False)
            }
        }

    def accuracy_by_class(self) -> NDArray[np.float64]:
        """Return the share of each class's samples that are predicted rightly; NaN of none."""
        size = len(self.classes)
        totals = np.bincount(self.labels, minlength=size)
        hits = np.bincount(self.labels[self.scores()], minlength=size)
        with np.errstate(invalid="ignore"):
            return hits / totals

    def confusion(self) -> NDArray[np.int64]:
        """Return counts ``(outputs, outputs)``; rows are true classes, columns predicted ones."""
        size = len(self.classes)
        pairs = self.labels * size + self.guesses
        return np.bincount(pairs, minlength=size * size).reshape(size, size)

    def pictures(self) -> dict[str, bytes]:
        from fovea.problems.classification.figures import confusion_figure

        return {"confusion.png": confusion_figure(self.confusion(), self.classes)}

    @classmethod
    def charts(cls, runs: Sequence[RecordedRun]) -> list[Chart]:
        from fovea.problems.classification.charts import class_charts

        return class_charts(runs)

    def _macro_f1(self) -> float:
        size = int(max(self.guesses.max(), self.labels.max())) + 1
        hits = np.bincount(self.labels[self.scores()], minlength=size)
        total = np.bincount(self.guesses, minlength=size)
        total = total + np.bincount(self.labels, minlength=size)
        return float(np.mean(2 * hits[total > 0] / total[total > 0]))
