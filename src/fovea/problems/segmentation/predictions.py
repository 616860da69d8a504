"""What is kept of segmented images: counts of pixels, never a mask."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fovea.problems.predictions import Answers, Chart, Predictions, RecordedRun, Rows
from fovea.records.quantities import Quantity

_COUNTS = ("intersection", "target", "predicted")


class SegmentationPredictions(Predictions):
    """Of every sample the pixels of each class, ``(N, classes)``: true, predicted, and both.

    Pixels of no class are in none of them. All metrics are of the sums over the samples, as in
    PASCAL VOC: of a class the IoU is Σintersection / Σunion and Dice 2Σintersection / Σ(target +
    predicted); ``miou`` and ``dice`` are their means over the classes that occur or are predicted.
    ``pixel_accuracy`` is the share of pixels predicted rightly. ``rand_error``, where a class is
    one of objects, is the mean over the samples.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "miou": Quantity("mean IoU", "percent", "higher"),
        "dice": Quantity("mean Dice", "percent", "higher"),
        "pixel_accuracy": Quantity("pixel accuracy", "percent", "higher"),
        "rand_error": Quantity("adapted Rand error", "number", "lower"),
    }

    @classmethod
    def checked(cls, rows: Rows, described: Mapping[str, Any]) -> Self:
        for name in set(_COUNTS) & rows.keys():
            counts = rows[name]
            if counts.ndim != 2 or not np.issubdtype(counts.dtype, np.integer):
                raise ValueError(f"{name}: {counts.dtype} of {counts.ndim} axes, no counts")
            if (counts < 0).any():
                raise ValueError(f"{name}: a count below 0")
        if len({rows[name].shape for name in _COUNTS if name in rows}) > 1:
            raise ValueError("counts of different classes")
        if (
            all(name in rows for name in _COUNTS)
            and (rows["intersection"] > np.minimum(rows["target"], rows["predicted"])).any()
        ):
            raise ValueError("intersection: larger than what it is of")
        return cls(rows, described.get("offers", {}))

    @property
    def classes(self) -> list[str]:
        """The name of every output; outputs above the classes have none."""
        known = list(self.names.get("classes", ()))
        outputs = self.rows["intersection"].shape[1]
        return [*known, *(f"output {index}" for index in range(len(known), outputs))]

    def metrics(self) -> dict[str, float]:
        intersection, target, predicted = (self.rows[name].sum(axis=0) for name in _COUNTS)
        sizes = target + predicted
        seen = sizes > 0
        dice = 2 * intersection[seen] / sizes[seen]
        found = {
            "miou": _mean(self.iou_by_class()[seen]),
            "dice": _mean(dice),
            "pixel_accuracy": float(intersection.sum() / max(1, target.sum())),
        }
        if "rand_error" in self.rows:
            found["rand_error"] = _mean(self.rows["rand_error"])
        return found

    def iou_by_class(self) -> NDArray[np.float64]:
        """Return the IoU of each class over all samples; NaN of one that nowhere is."""
        return _iou(*(self.rows[name].sum(axis=0) for name in _COUNTS))

    def scores(self) -> NDArray[np.float64]:
        """Return the mean IoU of each sample over the classes in it, 0 where there is none."""
        shares = _iou(*(self.rows[name] for name in _COUNTS))
        seen = ~np.isnan(shares)
        return np.nansum(shares, axis=1) / np.maximum(1, seen.sum(axis=1))

    def caption(self, row: int) -> str:
        return f"IoU {self.take([row]).scores()[0]:.0%}"

    def details(self) -> dict[str, Any]:
        shares = zip(self.classes, self.iou_by_class().tolist(), strict=True)
        return {
            "per_class_iou": {
                name: None if share != share else round(share, 6) for name, share in shares
            }
        }

    def answers(self, top: int) -> Answers:
        classes = list(self.names.get("classes", ()))
        masks = self.rows["mask"]
        classes += [f"output {index}" for index in range(len(classes), int(masks.max()) + 1)]
        texts, table, records = [], [], []
        for mask in masks:
            shares = np.bincount(mask.reshape(-1), minlength=len(classes)) / mask.size
            ranked = [each for each in shares.argsort()[::-1][: max(1, top)] if shares[each]]
            texts.append([", ".join(f"{classes[each]} {shares[each]:.1%}" for each in ranked)])
            table.append([f"{share:.6f}" for share in shares])
            records.append({"shares": dict(zip(classes, shares.tolist(), strict=True))})
        return Answers(
            printed=(["image", "pixels"], texts),
            table=(["image", *classes], table),
            records=records,
            captions=[text for (text,) in texts],
            files={"masks": [mask_file(mask) for mask in masks]},
        )

    def drawn_on(self, pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """Return pictures half covered by the colours of the predicted classes."""
        colours = class_colours()
        masks = self.rows["mask"][: len(pictures)]
        return [
            ((each.astype(np.uint16) + colours[mask]) // 2).astype(np.uint8)
            for each, mask in zip(pictures, masks, strict=True)
        ]

    @classmethod
    def charts(cls, runs: Sequence[RecordedRun]) -> list[Chart]:
        from fovea.problems.charts import share_by_class

        return [
            share_by_class(
                runs,
                "per_class_iou",
                quantity="IoU",
                title="IoU of every class",
                note="Test IoU of every class: the runs as points, their mean as a line.",
            )
        ]


def mask_file(mask: NDArray[np.uint8]) -> bytes:
    """Return labels ``(H, W)`` as a PNG file with a palette, whose indices they are."""
    image = Image.fromarray(mask).convert("P")
    image.putpalette(class_colours().tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def class_colours() -> NDArray[np.uint8]:
    """Return the colour of each label as PASCAL VOC has them, ``(256, 3)``; that of 0 is black.

    The bits of a label, lowest first, are dealt to red, green and blue, from their highest bit on.
    """
    labels = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        colours[:, bit % 3] |= ((labels >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours


def _iou(
    intersection: NDArray[np.integer], target: NDArray[np.integer], predicted: NDArray[np.integer]
) -> NDArray[np.float64]:
    union = target + predicted - intersection
    return np.divide(intersection, union, out=np.full(union.shape, np.nan), where=union > 0)


def _mean(values: NDArray[np.floating]) -> float:
    """Return the mean of what is a number; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
