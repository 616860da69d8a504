"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import argcomplete

from fovea import __version__
from fovea.bench import EXPERIMENT, NETWORKS, PARTS
from fovea.config import paths
from fovea.config.errors import FoveaError, one_line
from fovea.config.imports import quick_imports
from fovea.config.options import complete_override, groups
from fovea.config.printing import printable, replace_what_cannot_be_encoded, say

_THE_MACHINES = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)
_MOST = 1_000_000  # of anything that is counted in an argument
_EPILOG = "A config override is key=value or group=option; see: fovea list"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a run failed, 2 the user can mend it."""
    os.environ["PYTHONSAFEPATH"] = "1"  # no process that this one starts imports from its folder
    replace_what_cannot_be_encoded()
    parser = _parser()
    argcomplete.autocomplete(parser, always_complete_options="long")
    given = list(sys.argv[1:] if argv is None else argv)
    arguments, rest = parser.parse_known_args(given)
    if arguments.command == "train":
        given.remove("train")  # the first one is the command
        arguments.overrides = given  # as given: Hydra's flags stay before their values
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        sys.exit(_run(arguments))
    except FoveaError as error:
        _refuse(error)
    except KeyboardInterrupt as interrupt:
        resumes = "; the same command goes on from here" if arguments.command == "train" else ""
        say(f"fovea: interrupted{resumes}", stderr=True)
        sys.exit(128 + (signal.SIGTERM if str(interrupt) == "SIGTERM" else signal.SIGINT))
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe went away: nothing left to say
        sys.exit(141)
    except OSError as error:  # what is wrong with a folder or a disk, not with the program
        if error.errno not in _THE_MACHINES or error.filename is None:
            raise
        _refuse(f"{error.filename}: {error.strerror}")


def _refuse(reason: object, remedy: str = "") -> NoReturn:
    """Exit with one line of at most 300 characters about the user's mistake."""
    say(f"fovea: {one_line(printable(str(reason)), 290 - len(remedy))}{remedy}", stderr=True)
    sys.exit(2)


def _run(arguments: argparse.Namespace) -> int:
    options = dict(vars(arguments))
    name = options.pop("command")
    with quick_imports():
        command = import_module(f"fovea.commands.{name}")
    return command.run(**options) or 0


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        _refuse(message, f"; see: {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fovea",
        description="The lab bench for convolutional networks.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"fovea {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train",
        help="train one run, a sweep, or an experiment",
        description="Train one run, or every combination of comma-separated values, or a whole "
        "experiment (experiment=NAME). Finished runs are not trained again, interrupted ones are "
        "resumed. --dry-run prints the plan, --cfg job the composed config; both build nothing.",
        epilog=f"{_EPILOG}. Of Hydra's flags: --cfg, --package, --resolve, --config-dir.",
    )
    _completed(
        train.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="Hydra override"),
        complete_override,
    )

    test = commands.add_parser("test", help="measure a trained run on the test part again")
    _run_argument(test)
    test.add_argument("--weights", choices=("best", "last"), help="default: those first tested")
    test.add_argument("--data-root", metavar="FOLDER", help="default: where the run found its data")

    predict = commands.add_parser(
        "predict", help="what a trained network says of new samples: classes and probabilities"
    )
    _run_argument(predict)
    predict.add_argument(
        "given", nargs="*", metavar="FILE|FOLDER", help="images, or files with a text a line"
    )
    predict.add_argument(
        "--text", action="append", default=[], dest="texts", metavar="TEXT", help="a text itself"
    )
    predict.add_argument("--weights", choices=("best", "last"), help="default: those first tested")
    predict.add_argument(
        "--top", type=_positive, default=3, metavar="K", help="classes listed per sample"
    )
    predict.add_argument(
        "--out", type=_folder, metavar="FOLDER", help="default: predictions/ in the run's folder"
    )

    samples = commands.add_parser(
        "samples", help="list and draw the test samples that a run did worst on, or best"
    )
    _run_argument(samples)
    end = samples.add_mutually_exclusive_group()
    end.add_argument("--worst", type=_positive, default=20, metavar="N", help="default: 20")
    end.add_argument("--best", type=_positive, metavar="N")
    samples.add_argument("--data-root", metavar="FOLDER", help="default: where the run found it")
    samples.add_argument(
        "--out", type=_folder, metavar="FOLDER", help="default: predictions/ in the run's folder"
    )

    status = commands.add_parser(
        "status", help="list an experiment's runs: done, interrupted, failed, missing; time left"
    )
    _completed(status.add_argument("name", metavar="EXPERIMENT"), paths.experiment_names)

    table = commands.add_parser("table", help="print an experiment's table and write its files")
    _completed(table.add_argument("name", metavar="EXPERIMENT"), paths.experiment_names)
    table.add_argument(
        "--publish",
        action="store_true",
        help="write results.csv, the figure and the README's table beside the experiment",
    )
    table.add_argument(
        "--verify",
        action="store_true",
        help="recompute recorded metrics from stored predictions; 1 where they disagree",
    )

    report = commands.add_parser(
        "report",
        help="write runs as one HTML file: table, curves, hyper-parameters, their problem's charts",
        description="Writes outputs/reports/NAME.html, or runs.html of several experiments or of "
        "all runs. The file needs neither a server nor a network.",
    )
    names = report.add_argument("names", nargs="*", metavar="EXPERIMENT")
    _completed(names, paths.experiment_names)
    report.add_argument("--all", action="store_true", help="every recorded run")
    report.add_argument("--out", type=_file, metavar="FILE")

    compare = commands.add_parser(
        "compare",
        help="hold runs against each other: configs, metrics, curves, and a paired test",
        description="Prints what differs between the configs, the metrics side by side, and "
        "McNemar's test of every pair on the test samples; writes their curves in one picture.",
    )
    compare.add_argument("runs", nargs="+", metavar="RUN", help="run id, or the start of one")

    sync = commands.add_parser(
        "sync",
        help="upload offline W&B runs",
        description="Uploads the W&B runs of ended runs. What was uploaded is left out, so that "
        "it can be repeated; exit code 1 where an upload failed.",
    )
    sync.add_argument("runs", nargs="*", metavar="RUN", help="run id, or the start of one")
    sync.add_argument("--all", action="store_true", help="every recorded run")
    sync.add_argument(
        "--parallel", type=_positive, default=4, metavar="N", help="uploads at a time; default: 4"
    )

    bench = commands.add_parser(
        "bench",
        help="measure training speed side by side with other ways to write it",
        description="Six programs train the same networks in turns. Writes JSON, Markdown and a "
        "chart to outputs/bench/. Keep the machine idle meanwhile.",
    )
    parts = bench.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        type=_part,  # Python 3.11 refuses an empty list of choices
        help=f"{', '.join(PARTS)}; default: all but accuracy, which trains for hours",
    )
    _completed(parts, lambda: PARTS)
    bench.add_argument(
        "--networks",
        nargs="+",
        metavar="NAME",
        choices=NETWORKS,
        default=list(NETWORKS),
        help=f"default: {' '.join(NETWORKS)}",
    )
    bench.add_argument(
        "--rounds", type=_positive, default=5, metavar="N", help="turns of each program"
    )
    bench.add_argument(
        "--steps", type=_positive, default=20, metavar="N", help="timed steps of a turn"
    )
    bench.add_argument("--batch-size", type=_positive, default=128, metavar="N")
    bench.add_argument(
        "--threads", type=_positive, metavar="N", help="of torch; default: torch's choice"
    )
    bench.add_argument(
        "--publish", action="store_true", help=f"write experiments/{EXPERIMENT}/ too"
    )

    runs = commands.add_parser("runs", help="list recorded runs")
    runs.add_argument(
        "filters", nargs="*", metavar="KEY=VALUE", help="for instance model=resnet status=failed"
    )
    runs.add_argument("--sort", default="started", metavar="COLUMN", help="default: started")
    runs.add_argument("--reverse", action="store_true", help="largest first")
    runs.add_argument("--json", action="store_true", help="print JSON instead of a table")

    listing = commands.add_parser("list", help="list the options of every config group, or of one")
    _completed(listing.add_argument("group", nargs="?", metavar="GROUP"), groups)

    new = commands.add_parser(
        "new",
        help="write a problem of your own: code, options and an experiment that run as they are",
        description="Writes NAME/ (its code), conf/…/NAME.yaml and experiments/NAME/ here.",
    )
    new.add_argument("kind", choices=("problem",))
    new.add_argument("name", metavar="NAME")

    completion = commands.add_parser(
        "completion",
        help="print the shell code that turns on TAB completion",
        description='For bash and zsh: eval "$(fovea completion bash)"',
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh", "powershell"))
    return parser


def _part(text: str) -> str:
    """Return a part of the bench."""
    if text not in PARTS:
        raise argparse.ArgumentTypeError(f"no part '{text}' (known: {', '.join(PARTS)})")
    return text


def _positive(text: str) -> int:
    """Return a whole number from 1 to a million."""
    if not text.isdecimal() or len(text) > 7 or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text}: should be a whole number from 1 to {_MOST:,}")
    return int(text)


def _folder(text: str) -> Path:
    """Return a folder that files may be written to; it need not exist yet."""
    folder = _path(text)
    if folder.exists() and not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: not a folder")
    return folder


def _file(text: str) -> Path:
    """Return a file that may be written; it need not exist yet."""
    file = _path(text)
    if file.exists() and not file.is_file():
        raise argparse.ArgumentTypeError(f"{text}: not a file")
    return file


def _path(text: str) -> Path:
    """Return a path; ``~`` is the home folder, as in a shell, which leaves it in --out=~/x."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise argparse.ArgumentTypeError(f"{text}: {reason}") from None
    return path


def _run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run id, the start of one, or a run's folder")


def _completed(action: argparse.Action, candidates: Any) -> None:
    """Offer TAB completions for an argument: argcomplete's protocol is this attribute."""
    takes_prefix = candidates is complete_override
    action.completer = (  # pyright: ignore[reportAttributeAccessIssue]
        (lambda prefix, **_: candidates(prefix)) if takes_prefix else (lambda **_: candidates())
    )
