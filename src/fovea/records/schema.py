"""What the files of a record hold: their fields and types. What nothing else checks is JSON.

A record of an earlier version may lack fields, and a later one may have more: only what every
reader needs is required, and unknown keys are allowed. A share, a metric or a speed that was no
finite number is ``null``.

``history.csv`` is described in :mod:`fovea.records.history`. ``predictions.parquet`` has a row per
test sample; its columns are those of the run's class of predictions, which checks them where they
are read (:mod:`fovea.problems.recorded`). A checkpoint is a :class:`Checkpoint`; ``last.ckpt`` also
holds :class:`Progress` as ``fovea``, and Lightning's own state.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from fovea.config.errors import one_line
from fovea.config.types import Epochs, NonNegativeFloat, PositiveInt, Processes, Seed

Ended = Literal["finished", "failed", "interrupted"]
Precision = Literal["32", "64", "16-mixed", "bf16-mixed"]
Count = Annotated[int, Ge(0), Lt(2**63)]
Node = dict[str, JsonValue]


class PartFile(BaseModel):
    """A mapping of which some keys are known."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class Trainer(PartFile):
    """The ``trainer`` node of a config: what is set of it before it is built."""

    threads: Processes | None = None


class ConfigFile(PartFile):
    """``config.yaml``: the resolved config. What a node holds is checked when it is built."""

    seed: Seed = 0
    epochs: Epochs = 0
    batch_size: PositiveInt = 1
    rerun: bool | Literal["stale"] = False
    data: Node = {}
    model: Node = {}
    augment: Node = {}
    trainer: Trainer = Trainer()
    loss: Node = {}
    optimizer: Node = {}
    schedule: Node = {}
    task: Node = {}
    probe: Node | None = None
    metrics: dict[str, Node] | None = None


class Process(PartFile):
    """The process that trained a run, or trains it."""

    host: str = ""
    pid: Count = 0


class QuantityFile(PartFile):
    """What a metric is; see :class:`fovea.records.quantities.Quantity`."""

    label: str = ""
    format: Literal["percent", "count", "seconds", "number"] = "number"
    better: Literal["higher", "lower"] | None = None


class Summary(PartFile):
    """``summary.json``: what became of a run.

    Args:
        id, name: the run's, and model, data set and seed.
        experiment: what it was trained for.
        arm: of the experiment's.
        choices: the option chosen of each config group.
        scientific: the config that identifies it, flat.
        probes: the scientific configs of the probes that have measured it.
        overrides: what composed its config.
        seed: of its random numbers.
        started: ISO 8601, UTC.
        seconds: how long it took, before an interruption too.
        error: why it was not finished.
        metrics: of the tested weights, by name.
        quantities: what each metric is.
        metric_nodes: the config of each that was computed beside the problem's own, by name.
        monitor: the metric that says which epoch is best.
        predictions: the class of its predictions.
        selected: which weights were tested.
        best_epoch: the epoch they are of, counted from 1.
        epochs, steps: trained.
        diverged: the loss was not finite.
        target_reached: whether ``trainer.stop``'s value was; ``None`` without one.
        samples_per_second: the median of the epochs.
        peak_memory_mib: of the GPU, or of the process, in MiB.
        startup_seconds: to the end of the first optimizer step; ``None`` if none was left.
        parameters, macs: of the network, and for one sample.
        protocol: where it departs from training, choosing on validation, and testing once.
        skipped: samples that could not be read.
        pictures: names of the files that its problem drew.
        files: the bytes of each file of a finished record.
    """

    status: Ended | Literal["running"]
    id: str = ""
    name: str = ""
    experiment: str | None = None
    arm: str | None = None
    choices: dict[str, str] = {}
    overrides: list[str] = []
    scientific: Node = {}
    probes: list[Node] = []
    seed: Seed = 0
    started: str = ""
    process: Process = Process()
    seconds: NonNegativeFloat = 0.0
    error: str = ""
    metrics: dict[str, float | None] = {}
    quantities: dict[str, QuantityFile] = {}
    metric_nodes: dict[str, Node] = {}
    monitor: str = ""
    predictions: str = ""
    selected: Literal["best", "last"] = "last"
    best_epoch: Count = 0
    epochs: Count = 0
    steps: Count = 0
    diverged: bool = False
    target_reached: bool | None = None
    samples_per_second: NonNegativeFloat | None = None
    peak_memory_mib: NonNegativeFloat | None = None
    startup_seconds: float | None = None
    parameters: Count = 0
    macs: Count = 0
    protocol: list[str] = []
    skipped: Count = 0
    pictures: list[str] = []
    files: dict[str, Count] = {}


class DataFile(PartFile):
    """``data.json``: the data of a run, as found and as served. More is the data's own.

    Args:
        fingerprint: of the samples, hexadecimal.
        offers: what networks and tasks are built with.
        sizes: samples of each part.
        served: how samples reach the network.
        notes, skipped: what was noticed, and what could not be read, as lines.
    """

    fingerprint: str = ""
    offers: Node = {}
    sizes: dict[str, Count] = {}
    served: Node = {}
    notes: list[str] = []
    skipped: list[str] = []


class Git(PartFile):
    """The commit of fovea's checkout, if it is one, and whether files differed from it."""

    sha: str | None = None
    dirty: bool = False


class Hardware(PartFile):
    """The machine; ``memory_gib`` in GiB."""

    system: str = ""
    processor: str = ""
    cores: Count | None = None
    memory_gib: NonNegativeFloat = 0.0
    gpus: list[str] = []


class Resolved(PartFile):
    """What each ``auto`` became, and the class of the hardware, for instance ``cpu avx512``."""

    precision: Precision | None = None
    strategy: str = ""
    compile: bool = False
    hardware: str = ""


class Environment(PartFile):
    """``environment.json``: where and with what a run was trained.

    Args:
        fovea, python, packages: versions.
        threads: CPU threads of torch.
        workers: processes that trained side by side.
        code: a digest of each module that the numbers hang on.
        numerics: how many changes of fovea's numbers there were (:mod:`fovea.config.numerics`).
    """

    fovea: str = ""
    python: str = ""
    packages: dict[str, str] = {}
    git: Git = Git()
    hardware: Hardware = Hardware()
    threads: Count = 0
    workers: Count = 0
    code: dict[str, str] = {}
    numerics: Count = 0
    resolved: Resolved = Resolved()


class Checkpoint(PartFile):
    """What every checkpoint holds: the weights of the task."""

    state_dict: dict[str, Any]


class Progress(PartFile):
    """What fovea keeps in ``last.ckpt`` beside Lightning's state.

    Args:
        best: the best validation score so far.
        best_weights: the weights it is of, until the training is complete.
        complete: no step is left to train.
        history: a row per epoch, as of ``history.csv``.
        seconds: how long it took to get there.
        random: the states of the generators.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    best: float | None
    best_weights: Checkpoint | None
    complete: bool
    history: list[dict[str, float]]
    seconds: NonNegativeFloat
    random: dict[str, Any]


FILES: dict[str, type[PartFile]] = {
    "config.yaml": ConfigFile,
    "summary.json": Summary,
    "data.json": DataFile,
    "environment.json": Environment,
}


def mistake(kind: type[PartFile], content: object) -> str:
    """Return what is wrong with a part of a record, the first of several; '' for nothing."""
    try:
        kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = one_line(".".join(map(str, first["loc"])), 80)
        what = first["msg"].replace("Input ", "").replace("Field required", "no value")
        return one_line(f"{where}: {what[:1].lower()}{what[1:]}".removeprefix(": "), 160)
    return ""
