"""A table as LaTeX, to be \\input: it needs booktabs; with graphicx, a wide one fits the line."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from fovea.tables.layout import Text, lay_out
from fovea.tables.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "·": r"$\cdot$",
    "−": "$-$",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "↔": r"$\leftrightarrow$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "²": "$^{2}$",
    "³": "$^{3}$",
    "°": r"$^{\circ}$",
    "µ": r"$\mu$",
    "§": r"\S{}",
    "\N{NO-BREAK SPACE}": "~",
}
_GREEK = frozenset("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ")
_LETTERS = frozenset("ßæÆøØœŒłŁı")  # of the default encoding, and not a letter with an accent
_OGONEK = "\N{COMBINING OGONEK}"  # which that encoding lacks
_FIT = (
    r"\def\foveafit#1{\ifdefined\resizebox"
    r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{#1}\else#1\fi}"
)


def latex(table: Table) -> str:
    """Return a ``table`` environment; what each row was measured of stands in comments."""
    layout = lay_out(table)
    columns = "l" * layout.labels + "r" * (len(layout.headings) - layout.labels)
    title = [rf"\caption{{{escape_latex(layout.title)}}}"] if layout.title else []
    notes = [
        rf"\textsuperscript{{{n}}}\,{escape_latex(t)}" for n, t in enumerate(layout.footnotes, 1)
    ]
    notes += [escape_latex(note) for note in layout.notes]
    below = [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize\raggedright"]
    below += [rf"{note}\par" for note in notes]
    lines = [
        "% Written by fovea. Preamble: \\usepackage{booktabs}; for a wide table graphicx too",
        *(f"% runs: {' '.join(row.runs)}" for row in table.rows if row.runs),
        r"\begin{table}",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        *title,
        _FIT,
        rf"\foveafit{{\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(_heading, layout.headings)) + r" \\",
        r"\midrule",
        *map(_row, layout.rows),
        r"\bottomrule",
        r"\end{tabular}}",
        *([*below, r"\end{minipage}"] if notes else []),
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def escape_latex(text: str) -> str:
    """Return text that LaTeX sets as it is, on one line; what its fonts lack, by its code point."""
    one_line = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(map(_escaped, one_line)).replace("--", "-{}-")  # no ligature


def _escaped(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii() and character.isprintable():
        return character
    if character in _GREEK:
        name = unicodedata.name(character)
        letter = name.rpartition(" ")[2].lower().replace("lamda", "lambda")
        return rf"$\{letter if 'SMALL' in name else letter.capitalize()}$"
    base, *accents = unicodedata.normalize("NFD", character)
    latin = base.isascii() and accents and _OGONEK not in accents and ord(character) < 0x180
    if latin or character in _LETTERS:
        return character
    return f"[U+{ord(character):04X}]"


def _row(texts: tuple[Text, ...]) -> str:
    return " & ".join(map(_text, texts)) + r" \\"


def _heading(text: Text) -> str:
    """Return a heading, what it is of above what it says of that."""
    first, colon, rest = text.text.partition(": ")
    if not colon:
        return _text(text)
    second = _text(replace(text, text=rest))
    return rf"\begin{{tabular}}[b]{{@{{}}r@{{}}}}{escape_latex(first)}\\{second}\end{{tabular}}"


def _text(text: Text) -> str:
    shown = escape_latex(text.text)
    if text.bold:
        shown = rf"\textbf{{{shown}}}"
    marks = ",".join(map(str, text.marks))
    # braces: a cell that began with [ would be an argument of the \\ before it
    return f"{{{shown}}}" + (rf"\textsuperscript{{{marks}}}" if marks else "")
