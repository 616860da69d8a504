"""Publication: a table and its results beside the experiment, so that a fresh clone has them.

``results.csv`` is all that is published of the numbers. The part of ``README.md`` between two
markers, and the figure, follow from it and from ``table.yaml``; a test makes them again and
compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fovea.config.errors import ConfigError
from fovea.config.files import read_text
from fovea.records import write_atomic
from fovea.tables.markdown import markdown
from fovea.tables.results import FILE, Result, to_text
from fovea.tables.table import Table

BEGIN = "<!-- fovea table: begin -->"
END = "<!-- fovea table: end -->"
README = "README.md"
_DRAWING = "table.svg"


def texts(
    table: Table, results: Iterable[Result], metrics: Iterable[str], folder: Path
) -> dict[str, str]:
    """Return the texts that a publication consists of, by the name of their file.

    Args:
        table: what the results give.
        results: those of all runs to be published.
        metrics: the expressions the table uses.
        folder: the experiment's; the author's part of its README stays as it is.

    Raises:
        ConfigError: the README's markers are not one pair, in order.
    """
    results = list(results)
    generated = _generated(table, results, folder.name)
    return {FILE: to_text(results, metrics), README: _readme(folder, generated)}


def publish(table: Table, written: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the texts and the figure; return what has changed by it.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    from fovea.tables.figure import figures

    pictures = figures(table, ("png", "svg"))
    contents = {name: text.encode() for name, text in written.items()}
    contents |= {f"table.{kind}": content for kind, content in pictures.items()}
    changed = []
    for name, content in contents.items():
        file = folder / name
        if file.is_file() and file.read_bytes() == content:
            continue
        try:
            write_atomic(file, content)
        except OSError as error:
            raise ConfigError(
                f"{folder}: cannot be written to ({error.strerror}); publish from a checkout, "
                "or from a folder with experiments/ of your own"
            ) from error
        changed.append(file)
    return changed


def differing_files(table: Table, written: Mapping[str, str], folder: Path) -> list[str]:
    """Return which published files are not what :func:`publish` would write.

    A drawing may differ by rounding; its picture in pixels is not compared.
    """
    from fovea.tables.figure import figures, same_drawing

    def there(name: str) -> str:
        file = folder / name
        return read_text(file) if file.exists() else ""

    drawing = figures(table, ("svg",))["svg"].decode()
    differing = [name for name, text in written.items() if there(name) != text]
    return differing if same_drawing(there(_DRAWING), drawing) else [*differing, _DRAWING]


def _generated(table: Table, results: Sequence[Result], name: str) -> str:
    return "\n".join(
        [
            markdown(table),
            f"![Every run, mean and 95 % interval, published values: {name}]({_DRAWING})",
            "",
            *_provenance(results),
            "",
            f"Written by `fovea table {name} --publish` from [{FILE}]({FILE}).",
        ]
    )


def _provenance(results: Sequence[Result]) -> Iterable[str]:
    """Yield where, with what and for how long the runs were trained."""
    spent = [result.values["seconds"].value for result in results if "seconds" in result.values]
    hours = f", {sum(spent) / 3600:.2f} hours of training in all" if spent else ""
    yield f"{len(results)} runs{hours}."
    for key, called in (("hardware", "on"), ("versions", "with"), ("code", "code")):
        told = dict.fromkeys(
            result.provenance.get(key, "")[: 12 if key == "code" else None] for result in results
        )
        if known := [each for each in told if each]:
            yield f"{called.capitalize()}: {'; '.join(known)}."
    if dirty := sum(result.provenance.get("uncommitted") == "yes" for result in results):
        yield f"{dirty} of the runs are of code with uncommitted changes."


def _readme(folder: Path, generated: str) -> str:
    """Return the README with its generated part in place; at its end where it has no markers."""
    file = folder / README
    text = read_text(file) if file.exists() else f"# {folder.name}\n"
    part = f"{BEGIN}\n\n{generated}\n\n{END}"
    counts = text.count(BEGIN), text.count(END)
    if counts == (0, 0):
        return f"{text.rstrip()}\n\n{part}\n"
    if counts != (1, 1) or text.index(BEGIN) > text.index(END):
        raise ConfigError(f"{file}: should have one '{BEGIN}' and after it one '{END}'")
    return text[: text.index(BEGIN)] + part + text[text.index(END) + len(END) :]
