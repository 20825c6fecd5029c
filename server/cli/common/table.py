"""Tables of lists and of single objects: one line a row, as wide as the terminal at most.

If a list's columns do not fit, names are cut with an ellipsis, then the least important columns are left out. Ids and
prefixes, which are copied, are never cut. Nothing is where standard output is no terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

GAP = "  "
INDENT = 2
WIDTH_DEFAULT = 80
LEAST_WIDTHS = {
    "action": 16,
    "actor": 8,
    "description": 16,
    "detail": 20,
    "email": 16,
    "finding": 12,
    "grants": 12,
    "hash": 12,
    "invited_by": 10,
    "name": 16,
    "problem": 16,
    "scopes": 16,
    "sign_in_name": 12,
    "slug": 16,
    "title": 12,
    "unused_scopes": 12,
    "workspace": 12,
}
"""Columns whose values are cut where they do not fit, with the width that is left at least. Others are never cut."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a list that fit, with their widths in terminal cells, and the names of those that do not."""

    widths: Mapping[str, int]
    left_out: tuple[str, ...]


def terminal_width() -> int | None:
    """Return the width of lines; None if standard output is no terminal, so that nothing is cut in a file or pipe.

    ``COLUMNS`` is used before the terminal's own width.
    """
    if "COLUMNS" not in os.environ and not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size((WIDTH_DEFAULT, 24)).columns


def layout(natural: Mapping[str, int], drop: Sequence[str], width: int | None) -> Layout:
    """Return the columns that fit, and how wide each is.

    :param natural: column → width of its widest cell, in the order of display.
    :param drop: the columns that may be left out, the least important one first.
    :param width: of a line; None for any.
    """
    shown, left_out = dict(natural), []
    if width is None:
        return Layout(shown, ())

    def room() -> int:
        least = sum(min(wide, LEAST_WIDTHS.get(name, wide)) for name, wide in shown.items())
        return width - least - len(GAP) * (len(shown) - 1)

    for name in drop:
        if room() >= 0:
            break
        if name in shown:
            del shown[name]
            left_out.append(name)
    spare = max(room(), 0)
    widths = {name: min(wide, LEAST_WIDTHS.get(name, wide)) for name, wide in shown.items()}
    # The narrowest need first: what it leaves is shared by the others.
    cut = sorted((name for name in shown if widths[name] < shown[name]), key=lambda name: shown[name] - widths[name])
    for number, name in enumerate(cut):
        more = min(shown[name] - widths[name], spare // (len(cut) - number))
        widths[name] += more
        spare -= more
    return Layout(widths, tuple(left_out))


def fitted(text: str, width: int) -> str:
    """Return the text in exactly this many cells: padded with blanks, or cut with an ellipsis."""
    if cells(text) <= width:
        return text + " " * (width - cells(text))
    from rich.cells import set_cell_size

    mark = printable("…")
    return fitted(f"{set_cell_size(text, width - len(mark)).rstrip()}{mark}", width)


def cells(text: str) -> int:
    """Return how many terminal cells a line of text takes: characters of East Asia and emoji take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def printable(text: str) -> str:
    """Return a text as one line of what standard output writes: in its encoding and without control characters."""
    from .run import as_encoded

    line = "".join("?" if _controls(one) else one for one in text)
    return line if line.isascii() else as_encoded(line, sys.stdout.encoding)


def _controls(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f" or character in "\u2028\u2029"


def wrapped(text: str, width: int | None) -> Iterator[str]:
    """Yield lines of whole words. A word that is too long, such as an id, is a line of its own and stays whole."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and width is not None and cells(longer) > width:
            yield line
            line = word
        else:
            line = longer
    yield line


def pair_lines(pairs: Sequence[tuple[str, str]], width: int | None) -> Iterator[tuple[str, str]]:
    """Yield titles, padded, each with a line of its value; further lines of a value have a blank title."""
    first = max((cells(title) for title, _ in pairs), default=0)
    for title, value in pairs:
        for number, line in enumerate(wrapped(value, None if width is None else width - first - INDENT)):
            yield fitted(title if number == 0 else "", first) + " " * INDENT, line


def uses_colour() -> bool:
    """Return whether to colour: on a terminal that can, unless ``NO_COLOR`` is set (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
