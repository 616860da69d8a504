"""Bad input of every kind: exit code 2, one short line that says what is wrong, nothing written.

One row is one mistake; all run in this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fovea.cli import main


@dataclass(frozen=True)
class Mistake:
    """One row of the table.

    Args:
        name: of the case.
        command: what follows ``fovea``, in words; ``{here}`` is the working folder.
        words: what the line on standard error contains.
        files: what the working folder holds, by relative path.
        variables: of the environment; ``{here}`` is the working folder.
    """

    name: str
    command: str | list[str]
    words: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def sweep(name: str, content: str | bytes, words: str, command: str = "status mine") -> Mistake:
    """A mistake in the file of an experiment, ``experiments/mine/sweep.yaml``."""
    return Mistake(name, command, words, {"experiments/mine/sweep.yaml": content})


GRID = "epochs: 1\nhydra: {sweeper: {params: {model: 'mlp,lenet5', seed: '0,1'}}}\n"
HEADING = "id,arm,overrides,seed,hardware,versions,code,uncommitted,data,notes,digest\n"


def table(name: str, content: str | bytes, words: str, file: str = "table.yaml") -> Mistake:
    """A mistake in a file beside an experiment's ``sweep.yaml``."""
    files = {"experiments/mine/sweep.yaml": GRID, f"experiments/mine/{file}": content}
    return Mistake(f"{file}: {name}", "table mine", words, files)


def results(name: str, content: str | bytes, words: str) -> Mistake:
    """A mistake in an experiment's ``results.csv``."""
    return table(name, content, words, "results.csv")


def train(override: str, words: str, name: str = "") -> Mistake:
    """A mistake in an override."""
    return Mistake(name or override, ["train", override], words)


OVERRIDES = [
    train("epochs=99999999999999999999", "epochs=99999999999999999999: should be less than or"),
    train("seed=4294967296", "seed=4294967296: should be less than 4294967296"),
    train("batch_size=1000000000000", "batch_size=1000000000000: should be less than 2147483648"),
    train("trainer.accumulate=3000000000", "should be less than 2147483648"),
    train(
        "data.image_size=100000000",
        "data.image_size=100000000: should be a number or [height, width], 1 to 16384 pixels each",
    ),
    train("data.image_size=[32]", "data.image_size=[32]: should be a number or [height, width]"),
    train("data.image_size=[32,0]", "data.image_size=[32, 0]: should be a number or [height, w"),
    train("data.image_size=a", "data.image_size=a: should be a number or [height, width], 1 to"),
    train("model.image_size=[8,8,8]", "model.image_size=[8, 8, 8]: should be a number or [hei"),
    train("data.workers=100000000", "should be less than or equal to 1024"),
    train("model=null", "model=null: no such option; leave it out, or see: fovea list"),
    train("probe=null", "probe=null: no such option; leave it out"),
    train(
        "launcher=auto", "launcher=auto: no such option; launcher=workers, the default, does what"
    ),
    train("experiment=null", "experiment=null: no such option; leave it out"),
    train("experiment=1", "experiment=1: no such option (see: fovea list experiment)"),
    train("experiment=[a,b]", "experiment=[a,b]: one option, or several to sweep: a,b"),
    train("model=[mlp,vgg]", "model=[mlp,vgg]: one option, or several to sweep: a,b"),
    train("tracking=[]", "tracking=[]: not a list of different options: [a,b]"),
    train("metrics=[auroc,auroc]", "metrics=[auroc,auroc]: not a list of different options"),
    train("metrics=[aurok]", "metrics=aurok: no such option; did you mean 'auroc'?"),
    train("probe=[train,3]", "probe=3: no such option (see: fovea list probe)"),
    train("experiment=quickstart,speed", "one experiment at a time"),
    train("data.source=null", "data.source=null: should be a node with a _target_"),
    train("~trainer._target_", "trainer._target_: no value; see: fovea list trainer"),
    train("trainer.accelerator=tpu", "should be 'auto', 'cpu', 'gpu', 'cuda' or 'mps'"),
    Mistake(
        "no GPU",
        "train trainer.accelerator=gpu",
        "trainer.accelerator=gpu: there is no GPU that this process may use; set",
        variables={"CUDA_VISIBLE_DEVICES": ""},
    ),
    Mistake(
        "too many devices",
        "train trainer.accelerator=cpu trainer.devices=1000",
        "trainer.devices=1000: there are ",
    ),
    train("model._target_=torch.nn.Linear", "unexpected keyword argument 'hidden_sizes'"),
    train("data.normalize=nope", "data.normalize=nope: unknown; did you mean 'none'?"),
    train("data.folds=1", "data.folds=1: should be greater than or equal to 2"),
    train("data.fold=1", "data.fold=1: needs data.folds"),
    Mistake(
        "no such fold",
        "train data.folds=5 data.fold=4,5",
        "data.fold=5: data.folds=5 are 0 to 4 [in: ",
    ),
    train("data.folds=200", "data.folds=200: no class has 200 of the 1437 training samples"),
    train("data.val_fraction=0.9999", "data.val_fraction=0.9999: no stratified split of 1437"),
    train("seed=range(0,1000000000000)", "1,000,000,000,000 runs: more than the 10,000 of one"),
    train("seed=range(0,1,0)", "seed=range(0,1,0): a range that never ends"),
    train("seed=choice(1,2", "seed=choice(1,2: not KEY=VALUE (no viable alternative at"),
    train("=1", "=1: no key before '='"),
    train("é=1", "é=1: not KEY=VALUE (token recognition error at: 'é')"),
    train("seed=${foo}", "seed: Interpolation key 'foo' not found"),
    train("seed=${seed}", "seed: Recursive interpolation detected"),
    train("seed=${nope:1}", "seed: Unsupported interpolation type nope"),
    train("outputs=/a\0b", "outputs='/a?b': holds the character U+0000; remove it", "NUL"),
    train("outputs=/\udcff", "holds the character U+DCFF; remove it", "not UTF-8"),
    train("seed=" + "9" * 5000, "not KEY=VALUE (Exceeds the limit (4300 digits)", "5000 digits"),
    train("seed=" + "a" * 100_000, "100,005 characters; an override has at most 10,000", "long"),
    train("a." * 3000 + "b=1", "unknown key", "long key"),
    train("optimizer.lr=" + "{a:" * 2000, "brackets nested more than 20 deep", "deep"),
    train("data.root=~nobodyhere/data", "no home folder of ~nobodyhere"),
]
TENS = "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefg", "bcdefgh", strict=True)
)
EXPERIMENTS = [
    sweep("binary", b"\x93NUMPY\x01\x00", "sweep.yaml:1: byte 0x93 is not UTF-8; save it as UTF-8"),
    sweep("latin-1", "# é\nepochs: 1\n".encode("latin-1"), "sweep.yaml:1: byte 0xe9 is not UTF-8"),
    sweep("tab", "epochs:\n\t1\n", "sweep.yaml:2: not YAML (found character that cannot start"),
    sweep("a key twice", "epochs: 1\nepochs: 2\n", "sweep.yaml:2: key 'epochs' occurs twice"),
    sweep("python tag", "seed: !!python/name:os.system\n", "sweep.yaml:1: tag tag:yaml.org,2002:p"),
    sweep("alias of itself", "hydra: &a {sweeper: *a}\n", "sweep.yaml:1: *a is an alias of what"),
    sweep("bomb", f"a: &a [x]\n{TENS}", "aliases stand for more than 10,000 values"),
    sweep("deep", "model: " + "{a: " * 60, "nested more than 50 levels deep"),
    sweep("NUL", "epochs: 1\0\n", "sweep.yaml:1: control characters are not allowed (U+0000)"),
    sweep(
        "large",
        "#" * 200_000,
        "sweep.yaml: cannot be read (200,000 bytes, more than the 100,000 allowed)",
    ),
    sweep("a list", "- a\n", "not a mapping"),
    sweep("text", "hello\n", "not a mapping"),
    sweep("arms a list", "hydra: {sweeper: {arms: [a]}}", "hydra.sweeper.arms: not a mapping"),
    sweep("arms text", "hydra: {sweeper: {arms: a}}", "hydra.sweeper.arms: not a mapping"),
    sweep("an arm a number", "hydra: {sweeper: {arms: {a: 3}}}", "hydra.sweeper.arms.a: not a map"),
    sweep("params a list", "hydra: {sweeper: {params: [a]}}", "hydra.sweeper.params: not a map"),
    sweep(
        "params nested",
        "hydra: {sweeper: {params: {model: {a: 1}}}}",
        "experiments/mine/sweep.yaml: hydra.sweeper.params.model: should be a value or a list",
    ),
    sweep("defaults a number", "defaults: 3", "defaults: not a list"),
    sweep(
        "grid",
        "hydra: {sweeper: {params: {seed: 'range(0,100000000)'}}}",
        "experiments/mine/sweep.yaml: 100,000,000 runs: more than the 10,000",
    ),
    sweep(
        "grid of arms",
        "hydra: {sweeper: {params: {seed: 'range(9000)'}, arms: {a: {epochs: 1}, b: {epochs: 2}}}}",
        "18,000 runs",
    ),
    sweep("value", "seed: 99999999999999999999", "seed=99999999999999999999: should be less than"),
    sweep("group", "model: [1]", "model: not a mapping of its keys; defaults choose an option"),
    sweep("option", "defaults: [{override /model: mpl}]", "did you mean 'mlp'?"),
    Mistake(
        "a folder named sweep.yaml",
        "status mine",
        "no experiment 'mine'",
        {"experiments/mine/sweep.yaml/x": ""},
    ),
    table("binary", b"\x93NUMPY\x01\x00", "table.yaml:1: byte 0x93 is not UTF-8"),
    table("a list", "- a", "table.yaml: input should be a valid dictionary"),
    table("rows a number", "rows: 3", "table.yaml: rows: "),
    table("no columns", "columns: []", "table.yaml: columns: list should have at least 1 item"),
    table("metric", "columns: [{metric: 'best('}]", "table.yaml: columns.0.metric: "),
    table("long title", f"title: {'x' * 6000}", "table.yaml: title: string should have at most"),
    table(
        "a folder",
        "",
        "table.yaml: cannot be read (not a regular file but a folder)",
        "table.yaml/x",
    ),
    results("short row", f"{HEADING}a,b\n", "results.csv: line 2: 2 values for 11 columns; rest"),
    results("binary", b"\x93NUMPY\x01\x00", "results.csv:1: byte 0x93 is not UTF-8; restore it"),
    results("empty", "", "results.csv: no heading, or columns are missing; restore it"),
    results("NUL", f"{HEADING}a\0,,,,,,,,,,\n", "results.csv: "),
    results("huge cell", f"{HEADING}{'x' * 300_000},,,,,,,,,,\n", "results.csv: not CSV (field"),
    results("open quote", f'{HEADING}"a\n', "results.csv: not CSV (unexpected end of data)"),
]
ARGUMENTS = [
    Mistake("no command", "", "the following arguments are required: COMMAND; see: fovea --help"),
    Mistake(
        "--out a file", "predict abc x.png --out {here}/a", "{here}/a: not a folder", {"a": ""}
    ),
    Mistake("--out a folder", "report --out {here}", "argument --out: {here}: not a file"),
    Mistake("--out of nobody", "report --out=~nobodyhere/x", "~nobodyhere/x: Could not determine"),
    Mistake("--top 0", "predict abc x.png --top 0", "argument --top: 0: should be a whole number"),
    Mistake("--parallel", "sync --parallel 1000000000", "should be a whole number from 1 to"),
    Mistake("no such part", "bench speed", "argument PART: no part 'speed' (known: training, "),
    Mistake("--steps", "bench --steps 10000000", "--steps: 10000000: should be a whole number"),
    Mistake(
        "outputs a file",
        "train outputs={here}/a",
        "cannot be written to (Not a directory)",
        {"a": ""},
    ),
    Mistake(
        "options that name each other",
        "train data=a",
        "nested too deeply: do defaults of options name each other?",
        {"conf/data/a.yaml": "defaults: [b]", "conf/data/b.yaml": "defaults: [a]"},
    ),
    Mistake(
        "defaults that are no list",
        "train data=a",
        "conf/data/a.yaml: defaults: not a list of options of the group",
        {"conf/data/a.yaml": "defaults: 5"},
    ),
    Mistake("not UTF-8", "runs", "surrogates not allowed", {}, {"FOVEA_OUTPUTS": "a\udcff"}),
    *(
        Mistake(name, command, f"{name}={{here}}/a: not a folder", {"a": ""}, {name: "{here}/a"})
        for name, command in (
            ("FOVEA_OUTPUTS", "runs"),
            ("FOVEA_DATA", "train --dry-run"),
            ("FOVEA_CACHE", "train"),
        )
    ),
]
MISTAKES = [*OVERRIDES, *EXPERIMENTS, *ARGUMENTS]


def below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_one_line(
    mistake: Mistake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name, content in mistake.files.items():
        file = here / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(here)
    monkeypatch.setenv("FOVEA_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("FOVEA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FOVEA_CACHE", str(tmp_path / "cache"))
    for name, value in mistake.variables.items():
        monkeypatch.setenv(name, value.replace("{here}", str(here)))
    words = mistake.command.split() if isinstance(mistake.command, str) else mistake.command
    before = below(tmp_path)

    with pytest.raises(SystemExit) as ended:
        main([word.replace("{here}", str(here)) for word in words])

    told = capfd.readouterr()
    assert told.err.startswith("fovea: ")
    assert told.err.count("\n") == 1
    assert told.err.endswith("\n")
    assert len(told.err) <= 301
    assert mistake.words.replace("{here}", str(here)) in told.err
    assert told.out == ""
    assert ended.value.code == 2
    assert below(tmp_path) == before
