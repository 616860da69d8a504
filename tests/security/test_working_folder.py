"""The working folder: somebody else's files lie in it, and none is imported unless it is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fovea.commands import status, table, train
from fovea.config.errors import ConfigError
from fovea.records import RunFolder, all_runs
from fovea.training.predict import predict

SHADOWS = (  # of what fovea, torch or a starting worker imports
    *("torch", "timm", "yaml", "wandb", "torchvision", "pathlib", "pickle", "random", "socket"),
    *("hydra", "hydra_plugins", "sitecustomize", "other"),
)
NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, in_channels, image_size):
        super().__init__()
        self.last = nn.Linear(in_channels * image_size**2, num_classes)

    def forward(self, images):
        return self.last(images.flatten(1))
"""
HUB = "{_target_: torch.hub.load, repo_or_dir: ., source: local, model: evil}"
TABLE = "rows: {key: model}\ncolumns: [{metric: test/accuracy, label: accuracy}]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder full of modules that leave CANARY behind when they are imported."""
    for name in (*SHADOWS, "hubconf"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'CANARY')!r}, 'w')\n")
    (tmp_path / "hubconf.py").write_text(
        f"def evil(*_, **__): open({str(tmp_path / 'CANARY')!r}, 'w')\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_experiment(folder: Path, text: str) -> None:
    (folder / "experiments" / "x").mkdir(parents=True, exist_ok=True)
    (folder / "experiments" / "x" / "sweep.yaml").write_text(text)
    (folder / "experiments" / "x" / "table.yaml").write_text(TABLE)


def test_nothing_but_a_named_package_is_imported(folder: Path) -> None:
    """Of two worker processes, started by ``python -m``, which puts the folder on the path."""
    (folder / "my_networks.py").write_text(NET)
    small = ["model=mlp", "model._target_=my_networks.Net", "~model.hidden_sizes"]
    small += ["~model.activation", "~model.dropout", "seed=0,1", "epochs=0", "tracking=csv"]
    two = ["launcher=workers", "launcher.workers=2", "launcher.threads=1", "outputs=out"]
    line = [sys.executable, "-m", "fovea", "train", *small, *two]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def told(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            line, env=environment | more, capture_output=True, text=True, check=False, timeout=240
        )

    refused = told()
    assert refused.returncode == 2
    assert refused.stderr == (
        "fovea: model._target_=my_networks.Net: 'my_networks' is not trusted; if you trust its "
        "code: FOVEA_TRUST=my_networks (or a line in ~/.config/fovea/trust)\n"
    )
    assert not (folder / "out").exists()
    done = told(FOVEA_TRUST="my_networks")
    assert done.returncode == 0, done.stderr
    assert [run.summary["parameters"] for run in all_runs(folder / "out")] == [650, 650]
    assert not (folder / "CANARY").exists()


LOOKED_AT = [
    f"launcher: {HUB}",
    f"hydra: {{launcher: {HUB}}}",
    f"hydra: {{callbacks: {{a: {HUB}}}}}",
    f"hydra: {{sweeper: {{params: {{launcher: '{HUB}'}}}}}}",
    f"model: {{inner: {HUB}}}",
    f"data: {{source: {HUB}}}",
    "model: {note: '${oc.env:WANDB_API_KEY}'}",
    "hydra: {sweeper: {params: {+model.note: '${oc.env:WANDB_API_KEY}'}}}",
    "hydra: {sweeper: {arms: {'${oc.env:WANDB_API_KEY}': {seed: 0}}}}",
]


@pytest.mark.parametrize("text", LOOKED_AT)
def test_looking_at_an_experiment_runs_and_shows_nothing(
    text: str,
    folder: Path,
    outputs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "c4n4ry")
    write_experiment(folder, f"tracking: {{tags: []}}\n{text}\n")
    refusals = []
    for look in (status.run, table_of, dry_run):
        try:
            look("x")
        except ConfigError as error:
            refusals.append(str(error))
    assert len(refusals) in (0, 3)  # a target in a group is shown, and not built
    assert all(each.startswith("experiments/x/sweep.yaml: ") for each in refusals)
    assert max(map(len, refusals), default=0) <= 300
    captured = capsys.readouterr()
    assert "c4n4ry" not in "".join(refusals) + captured.out + captured.err
    assert not [file for file in outputs.rglob("*") if b"c4n4ry" in _content(file)]
    assert not (folder / "CANARY").exists()


def table_of(name: str) -> None:
    table.run(name, publish=False, verify=False)


def dry_run(name: str) -> None:
    train.run([f"experiment={name}", "--dry-run"])


def _content(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() else b""


def test_no_run_starts_where_one_is_not_trusted(folder: Path, outputs: Path) -> None:
    write_experiment(
        folder,
        "hydra: {sweeper: {params: {loss._target_: "
        "'fovea.problems.classification.losses.CrossEntropy,evil.Loss'}}}\n",
    )
    with pytest.raises(ConfigError) as error:
        train.run(["experiment=x", "tracking=csv", "launcher=inline"])
    assert str(error.value) == (
        "experiments/x/sweep.yaml: loss._target_=evil.Loss: 'evil' is not trusted; if you trust "
        "its code: FOVEA_TRUST=evil (or a line in ~/.config/fovea/trust)"
    )
    assert not outputs.exists()


RECORDS = [
    ("model", {"_target_": "torch.hub.load", "repo_or_dir": ".", "source": "local", "model": "e"}),
    ("model", {"_target_": "torch.load", "f": "evil.pkl", "weights_only": False}),
    ("model", {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "other.Net"}]}),
]


@pytest.mark.parametrize(("group", "node"), RECORDS, ids=str)
def test_a_record_of_somebody_elses_is_refused(
    group: str, node: dict[str, object], folder: Path
) -> None:
    run = RunFolder(folder / "runs" / "0123456789ab")
    run.path.mkdir(parents=True)
    run.write("config.yaml", {group: node})
    run.write("summary.json", {"status": "finished"})
    run.write("data.json", {"classes": ["a", "b"], "channels": 1, "image_size": 8})
    from fovea.training.evaluate import evaluate

    uses: Sequence[object] = (lambda: evaluate(run), lambda: predict(run, []))
    for use in uses:
        with pytest.raises(ConfigError, match=r"^run 0123456789ab: model\.") as error:
            use()  # pyright: ignore[reportCallIssue]
        assert "FOVEA_TRUST" in str(error.value)
    assert not (folder / "CANARY").exists()
