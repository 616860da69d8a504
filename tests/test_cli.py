"""The real console script, from outside: what it prints, how it exits, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fovea import __version__
from fovea.config import paths
from fovea.config.options import description, options
from fovea.data.image.source import Images
from fovea.data.sources.digits import Digits
from fovea.records import RunFolder, all_runs, run_folder

FOVEA = Path(sys.executable).with_name("fovea")
COMMANDS = ("train", "test", "predict", "table", "runs", "list", "completion")


def fovea(*arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FOVEA, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )


def rows(printed: str) -> list[list[str]]:
    """Split what was printed into lines and words; rules and empty lines are dropped."""
    lines = [line.replace("│", " ").split() for line in printed.splitlines()]
    return [words for words in lines if any(map(str.isalnum, "".join(words)))]


# What is answered at once.


def test_help_and_version() -> None:
    told = fovea("--help")
    assert told.returncode == 0
    assert all(f"    {command}" in told.stdout for command in COMMANDS)
    assert fovea("--version").stdout == f"fovea {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command: str) -> None:
    told = fovea(command, "--help")
    assert told.returncode == 0
    assert told.stdout.startswith(f"usage: fovea {command} [-h]")


def test_hydra_flags_work_wherever_they_stand() -> None:
    for order in (["--cfg", "job", "seed=7"], ["seed=7", "--cfg", "job"]):
        told = fovea("train", *order)
        assert told.returncode == 0
        assert "\nseed: 7\n" in told.stdout
    plans = [
        fovea(*order.split(), "model=mlp", "seed=choice(1,2)").stdout
        for order in ("-m train --dry-run", "train -m --dry-run", "train --dry-run")
    ]
    assert plans[0].splitlines()[-1].startswith("2 runs: 2 missing;")
    assert plans == [plans[0]] * 3


MISTAKES = {
    "train model=resnte": "model=resnte: no such option; did you mean 'resnet'? "
    "(see: fovea list model)",
    "train model=mlp,resnte": "model=resnte: no such option; did you mean 'resnet'? "
    "(see: fovea list model)",
    "train experiment=quickstrat": "experiment=quickstrat: no such option; "
    "did you mean 'quickstart'? (see: fovea list experiment)",
    "train modle=resnet": "modle: unknown key; did you mean 'model'?",
    "train model=resnet model.dept=20": "model.dept: unknown key; did you mean 'model.depth'?",
    "train +optimizer.lrr=1": "optimizer.lrr: unknown key; did you mean 'lr'? "
    "(known: lr, betas, eps, weight_decay, decay)",
    "train optimizer.lr=fast": "optimizer.lr=fast: should be a valid number",
    "train seed=0,1 epochs=2,-1": "epochs=-1: should be greater than or equal to 0 "
    "[in: seed=0 epochs=-1]",
    "train data=image_folder": "data.source.folder: no value; "
    "add data.source.folder=… to the command",
    "train model=glob(zz*)": "no runs: a pattern in 'model=glob(zz*)' matches no option",
    "train model=3": "model=3: no such option (see: fovea list model)",
    "train data=_images": "data=_images: no such option; did you mean 'image_csv'? "
    "(see: fovea list data)",
    "train optimizer=sgd,adam optimizer.momentum=0.8": "optimizer.momentum: unknown key "
    "(known: lr, betas, eps, weight_decay, decay) [in: optimizer=adam ++optimizer.momentum=0.8]",
    "train seed": "Error parsing override 'seed' missing EQUAL at '<EOF>'",
    "table quikstart": "no experiment 'quikstart'; did you mean 'quickstart'? "
    f"(known: {', '.join(paths.experiment_names())})",
    "list modle": "no config group 'modle'; did you mean 'model'? (known: experiment, augment, "
    "data, launcher, loss, metrics, model, optimizer, probe, schedule, task, tracking, trainer)",
    "runs model": "'model': a filter is KEY=VALUE, for instance model=resnet",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_told_in_one_line(command: str, outputs: Path) -> None:
    told = fovea(*command.split())
    assert told.returncode == 2
    assert told.stderr == f"fovea: {MISTAKES[command]}\n"
    assert told.stdout == ""
    assert not outputs.exists()


@pytest.mark.parametrize("command", ["test", "predict"])
def test_a_run_that_is_not_there(command: str, outputs: Path) -> None:
    told = fovea(command, "0123456789ab", *["picture.png"] * (command == "predict"))
    assert told.returncode == 2
    assert told.stderr == (f"fovea: no run '0123456789ab' in {outputs / 'runs'}; see: fovea runs\n")


def test_what_argparse_refuses() -> None:
    for command in ("", "trian", "runs --all", "completion basic"):
        told = fovea(*command.split())
        assert told.returncode == 2
        assert told.stderr.startswith("fovea: ")
        assert told.stderr.endswith(" --help\n")
        assert told.stderr.count("\n") == 1


def test_list() -> None:
    told = fovea("list", "augment")
    assert told.returncode == 0
    heading, *listed = rows(told.stdout.replace("augment", ""))
    assert heading == ["group", "option", "what", "it", "is"]
    assert listed == [
        [option, *description(file).split()] for option, file in options("augment").items()
    ]
    everything = fovea("list").stdout
    assert all(f" {option} " in everything for option in (*options("model"), *options("schedule")))


def leave_run(outputs: Path, name: str, **summary: object) -> None:
    run_folder(outputs, name).write("summary.json", summary)


def test_runs_are_filtered_and_sorted(outputs: Path) -> None:
    assert fovea("runs").stdout == "no runs recorded\n"
    kinds = {"model": "mlp", "data": "digits"}
    for name, seed, accuracy in (("aaa", 0, 0.5), ("bbb", 1, 0.75), ("ccc", 2, 0.25)):
        metrics = {"test/accuracy": accuracy}
        leave_run(outputs, name, status="finished", choices=kinds, seed=seed, metrics=metrics)
    leave_run(outputs, "ddd", status="failed", choices=kinds | {"model": "vgg"}, seed=0)
    (outputs / "runs" / "eee").mkdir()
    (outputs / "runs" / "eee" / "summary.json").write_text("{")

    def ids(*arguments: str) -> list[str]:
        told = fovea("runs", *arguments)
        assert told.returncode == 0
        return [row[0] for row in rows(told.stdout)[1:]]

    assert ids("--sort", "test/accuracy") == ["ccc", "aaa", "bbb", "ddd", "eee"]
    assert ids("--sort", "test/accuracy", "--reverse") == ["bbb", "aaa", "ccc", "ddd", "eee"]
    assert ids("model=mlp", "seed=1") == ["bbb"]
    assert ids("status=failed") == ["ddd"]
    assert ids("status=damaged") == ["eee"]
    assert json.loads(fovea("runs", "seed=1", "--json").stdout) == [
        {"id": "bbb", **kinds, "seed": 1, "status": "finished", "test/accuracy": 0.75}
    ]
    told = fovea("runs", "--sort", "test/acuracy")
    assert told.returncode == 2
    assert told.stderr.startswith(
        "fovea: no column 'test/acuracy'; did you mean 'test/accuracy'? (known: id, "
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_code(shell: str) -> None:
    told = fovea("completion", shell)
    assert told.returncode == 0
    assert "fovea" in told.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=told.stdout, text=True, check=True)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("fovea tr", ["train"]),
        ("fovea train mod", ["model=", "model."]),
        ("fovea train model=re", ["resnet"]),
        ("fovea train augment=none,f", ["none,flip_crop"]),
        ("fovea train launcher=", ["inline", "workers"]),
        ("fovea train launcher.t", ["launcher.threads="]),
        ("fovea train loss.label", ["loss.label_smoothing="]),
        ("fovea train experiment=q", ["quickstart"]),
        ("fovea table q", ["quickstart"]),
        ("fovea list sch", ["schedule"]),
    ],
)
def test_tab_completion(line: str, offered: list[str]) -> None:
    """The shell's side of argcomplete's protocol: the line in variables, words on descriptor 8."""
    shell = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n\"'><=;|&(:",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    told = subprocess.run(
        ["sh", "-c", '"$0" 8>&1 9>&2 1>/dev/null 2>&1', FOVEA],
        env=os.environ | shell,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [word.strip() for word in told.stdout.split("\n")] == offered


# What trains.

GRID = ("experiment=quickstart", "epochs=1", "seed=0,1", "model=mlp,lenet5", "launcher=inline")


@dataclass(frozen=True)
class Lab:
    """Where the miniature quickstart was trained, and what it said."""

    outputs: Path
    told: subprocess.CompletedProcess[str]

    def run(self, model: str, seed: int) -> RunFolder:
        (found,) = (
            run
            for run in all_runs(self.outputs)
            if (run.summary["choices"]["model"], run.summary["seed"]) == (model, seed)
        )
        return found


def test_a_run_of_no_epochs_is_told_by_its_cost(outputs: Path) -> None:
    told = fovea("train", "epochs=0")
    assert told.returncode == 0, told.stderr
    (run,) = all_runs(outputs)
    words = rows(told.stdout)[0]
    assert words[:2] == [run.id, "mlp-digits-0"]
    assert " ".join(words[2:6]) == "301,066 parameters, 300,032 MACs"
    assert (run.summary["parameters"], run.summary["macs"]) == (301_066, 300_032)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    outputs = tmp_path_factory.mktemp("quickstart") / "outputs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_OUTPUTS", str(outputs))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield Lab(outputs, fovea("train", *GRID))


@pytest.fixture
def lab(trained: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("FOVEA_OUTPUTS", str(trained.outputs))
    return trained


def test_the_quickstart_trains_and_prints_its_table(lab: Lab) -> None:
    assert lab.told.returncode == 0, lab.told.stderr
    parts = [line.partition(" ")[0] for line in lab.told.stderr.splitlines()]
    assert parts == ["train", "val", "test"]  # what is in each, once for all runs
    runs = [lab.run(model, seed) for model in ("mlp", "lenet5") for seed in (0, 1)]
    assert [run.status for run in runs] == ["finished"] * 4
    accuracies = [run.metrics["test/accuracy"] for run in runs]
    told = rows(lab.told.stdout)
    for words, run, accuracy in zip(told, runs, accuracies, strict=False):
        assert words[:2] == [run.id, run.summary["name"]]
        assert words[4] == f"{accuracy:.2%}"
    heading, mlp, lenet5 = told[4:7]
    assert heading == ["cell", "test", "accuracy", "parameters", "MACs", "seconds"]
    for words, label, two, cost in (
        (mlp, "model=mlp", accuracies[:2], ["301,066", "300,032"]),
        (lenet5, "model=lenet5", accuracies[2:], ["60,000", "325,680"]),
    ):
        mean, spread = 100 * np.mean(two), 100 * np.std(two, ddof=1)
        assert words[:5] == [label, f"{mean:.2f}", "±", f"{spread:.2f}", "%"]
        assert words[7:12] == ["(n", "=", "2)", *cost]


def test_a_changed_grid_does_not_write_the_experiments_table(lab: Lab) -> None:
    assert not (lab.outputs / "tables" / "quickstart.md").exists()


def test_the_table_of_an_experiment_is_what_is_published(outputs: Path) -> None:
    """Nothing is trained here with 20 epochs, as in a fresh clone."""
    title, heading, *told = rows(fovea("table", "quickstart").stdout)
    assert " ".join(title).startswith("Three networks on scikit-learn's digits (8×8 grey")
    assert heading == ["network", "test", "accuracy", "parameters", "MACs", "seconds"]
    assert [row[0] for row in told[:3]] == ["MLP", "LeNet-5", "ResNet-20"]
    published = pd.read_csv(paths.experiments()[-1] / "quickstart" / "results.csv")
    accuracies = published[published["overrides"] == "model=mlp"]["test/accuracy"]
    assert told[0][1] == f"{100 * accuracies.mean():.2f}"
    kinds = "{md,tex,html,csv,json,png,svg,pdf}"
    assert told[-1] == [f"{outputs / 'tables' / 'quickstart'}.{kinds}"]


def test_runs_of_the_quickstart(lab: Lab) -> None:
    listed = rows(fovea("runs", "model=mlp", "--sort", "seed").stdout)
    run = lab.run("mlp", 0)
    assert listed[1][:7] == [run.id, "mlp", "digits", "0", "quickstart", "finished", "1"]
    assert [row[3] for row in listed[1:]] == ["0", "1"]


def test_an_experiment_of_ones_own_finds_the_same_runs(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "experiments" / "mine"
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(
        "defaults: [override /schedule: cosine]\nepochs: 1\n"
        "hydra: {sweeper: {params: {model: 'mlp,vgg', seed: '0,1'}}}\n"
    )
    (folder / "table.yaml").write_text(
        "rows: {key: model}\ncolumns: [{metric: test/accuracy, label: accuracy, format: percent}]\n"
    )
    told = fovea("table", "mine", folder=tmp_path)
    assert told.returncode == 0
    heading, mlp, vgg, *_ = rows(told.stdout)
    assert heading == ["model", "accuracy"]
    accuracies = [lab.run("mlp", seed).metrics["test/accuracy"] for seed in (0, 1)]
    assert mlp[:2] == ["mlp", f"{100 * np.mean(accuracies):.2f}"]
    assert vgg == ["vgg", "not", "run"]
    table = pd.read_csv(lab.outputs / "tables" / "mine.csv")
    assert table["model"].tolist() == ["mlp", "vgg"]
    assert table["test/accuracy mean"][0] == pytest.approx(np.mean(accuracies), rel=1e-12)
    assert table["runs"][0].split() == [lab.run("mlp", seed).id for seed in (0, 1)]


def test_finished_runs_are_not_trained_again(lab: Lab) -> None:
    written = (lab.run("mlp", 0).path / "summary.json").stat().st_mtime_ns
    told = fovea("train", *GRID)
    assert told.returncode == 0
    first, *table = told.stdout.splitlines()
    assert first == "4 of 4 runs were finished already (rerun=true trains them again)"
    assert table == lab.told.stdout.splitlines()[4:]
    assert (lab.run("mlp", 0).path / "summary.json").stat().st_mtime_ns == written


def test_a_run_is_tested_again(lab: Lab) -> None:
    run = lab.run("lenet5", 1)
    told = fovea("test", run.id[:8])
    assert told.returncode == 0
    title, heading, *measured = rows(told.stdout)
    assert title == ["run", run.id]
    assert heading == ["┃", "metric", "┃", "measured", "┃", "recorded", "┃"]
    assert {"test/loss", "test/accuracy", "test/macro_f1"} <= {name for name, *_ in measured}
    for name, now, recorded in measured:
        assert recorded == f"{run.metrics[name]:.6f}"
        assert float(now) == pytest.approx(run.metrics[name], abs=2e-6)


def test_predictions_are_those_of_the_test(lab: Lab, tmp_path: Path) -> None:
    run, out = lab.run("mlp", 0), tmp_path / "out"
    part = Digits().read(tmp_path, skip_bad=False).test
    assert isinstance(part, Images)
    pictures = [tmp_path / f"digit_{index}.png" for index in range(3)]
    for picture, pixels in zip(pictures, part.pixels, strict=False):
        Image.fromarray(pixels[..., 0].numpy()).save(picture)
    told = fovea("predict", run.id, tmp_path, "--top", "2", "--out", out)
    assert told.returncode == 0, told.stderr
    printed = rows(told.stdout)
    assert printed[-3:] == [[str(out / f"predictions.{kind}")] for kind in ("csv", "json", "png")]

    table = pd.read_csv(out / "predictions.csv")
    shares = table[[str(digit) for digit in range(10)]].to_numpy()
    recorded = np.stack(pd.read_parquet(run.predictions)["probabilities"].tolist()[:3])
    assert shares == pytest.approx(recorded, abs=0.02)  # tested in bfloat16 where there is that
    assert table["image"].tolist() == [str(picture) for picture in pictures]
    assert table["class"].tolist() == shares.argmax(axis=1).tolist()
    assert table["probability"].to_numpy() == pytest.approx(shares.max(axis=1), abs=1e-5)
    first = [str(pictures[0]), str(table["class"][0]), f"{table['probability'][0]:.1%}"]
    assert printed[1][:3] == first

    record = json.loads((out / "predictions.json").read_text())
    assert record["run"] == run.id
    assert [int(each["class"]) for each in record["predictions"]] == table["class"].tolist()
    with Image.open(out / "predictions.png") as sheet:
        assert min(sheet.size) > 100


def test_an_image_that_is_not_there(lab: Lab, tmp_path: Path) -> None:
    told = fovea("predict", lab.run("mlp", 0).id, tmp_path / "none.png")
    assert told.returncode == 2
    assert told.stderr == f"fovea: {tmp_path / 'none.png'}: no such image or folder\n"


def test_a_mistake_is_told_once_and_the_other_runs_finish(outputs: Path) -> None:
    told = fovea("train", "batch_size=64,2000", "seed=0,1", "epochs=1", "launcher=inline")
    assert told.returncode == 2
    assert [run.status for run in all_runs(outputs)] == ["finished"] * 2
    assert len(list((outputs / "runs" / ".locks").iterdir())) == 2
    assert "batch_size=64" in told.stdout
    assert re.search(r"batch_size=2000 +not run", told.stdout)
    assert [line for line in told.stderr.splitlines() if line.startswith("fovea: ")] == [
        "fovea: 1293 training images are fewer than batch_size=2000; set batch_size=1293 or less "
        "[in: batch_size=2000 seed=0 epochs=1 launcher=inline]",
        "fovea: 2 of 4 runs failed",
    ]


def test_a_missing_data_set_is_told_in_one_line(outputs: Path, tmp_path: Path) -> None:
    told = fovea("train", "data=mnist", f"data.root={tmp_path}", "tracking=csv")
    assert told.returncode == 2
    assert told.stderr.startswith(f"fovea: {tmp_path / 'mnist'}: no such folder (looked for ")
    assert told.stderr.endswith(", or add data.download=true\n")
    assert told.stderr.count("\n") == 1
    assert not outputs.exists()


def test_outputs_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = fovea("train", f"outputs={tmp_path / 'file'}")
    assert told.returncode == 2
    assert told.stderr == (
        f"fovea: outputs={tmp_path / 'file'}: cannot be written to (Not a directory); "
        "set outputs (or FOVEA_OUTPUTS) to a folder that can\n"
    )
