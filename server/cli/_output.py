"""Output: JSON for machines, tables for people. Data goes to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .encoding import writes_utf8

if TYPE_CHECKING:
    from rich.console import Console

Facts = dict[str, Any]
"""JSON values by name."""

TABLE_ROWS_MAX = 100
WIDTH_WITHOUT_TERMINAL = 200
LIST_SHOWN = 4


def say(message: str) -> None:
    """A sentence for the person, beside the data."""
    print(message, file=sys.stderr)


def json_text(facts: object) -> str:
    """One JSON document on one line; in ASCII where standard output is not UTF-8, so that it stays JSON."""
    return json.dumps(facts, ensure_ascii=not writes_utf8(sys.stdout.encoding))


def show_one(facts: Mapping[str, Any], json_wanted: bool) -> None:
    """One thing: a JSON document, or a table of its facts."""
    if json_wanted:
        print(json_text(facts))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(_title(name), Text(shown(value)))
    console().print(table)


def show_once(
    facts: Mapping[str, Any], secret: str | None, note: str, json_wanted: bool, *, field: str = "secret"
) -> None:
    """Something with a secret that is never shown again.

    :param facts: everything but the secret; with ``--json`` the secret is one more ``field``.
    :param secret: alone on standard output without ``--json``, so that a shell can catch it; None when there is none.
    """
    if json_wanted:
        print(json_text({**facts, field: secret}))
        return
    for name, value in facts.items():
        if value not in (None, "", []):
            say(f"{_title(name)}: {shown(value)}")
    if secret is not None:
        say(note)
        print(secret)


class Listing:
    """Rows as they come: NDJSON at once, or a table at the end.

    :param columns: which facts the table shows, in order; JSON has them all.
    :param limit: at most this many rows; None for the default.
    """

    def __init__(self, json_wanted: bool, *columns: str, limit: int | None = None) -> None:
        self._json = json_wanted
        self._columns = columns
        self._limit = limit if limit is not None or json_wanted else TABLE_ROWS_MAX
        self._rows: list[Facts] = []
        self._count = 0
        self._cut = False

    def __enter__(self) -> Listing:
        return self

    def add(self, facts: Facts) -> bool:
        """Show one row. False when it is one too many, and the caller can stop."""
        if self._limit is not None and self._count >= self._limit:
            self._cut = True
            return False
        self._count += 1
        if self._json:
            print(json_text(facts))
        else:
            self._rows.append(facts)
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            return
        if self._rows:
            self._print_table()
        elif not self._json:
            say("There are none.")
        if self._cut:
            say(f"There are more than these {self._count}; use --limit for more, or --json.")

    def _print_table(self) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        for name in self._columns:
            # An id is there to be copied: it stays in one piece however narrow the terminal is.
            table.add_column(_title(name), overflow="fold", no_wrap=name in {"id", "status"})
        for facts in self._rows:
            table.add_row(*(Text(_brief(facts.get(name)), style=_style(name, facts)) for name in self._columns))
        console().print(table)


def console() -> Console:
    """Standard output; wide where it is no terminal, so that nothing is broken into pieces in a file."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH_WITHOUT_TERMINAL
    return Console(file=sys.stdout, width=width, highlight=False)


def shown(value: object) -> str:
    """A JSON value as people read it; times to the minute, in UTC."""
    match value:
        case None | "" | [] | {}:
            return "–"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(shown(one) for one in value)
        case dict():
            return ", ".join(f"{name}: {shown(one)}" for name, one in value.items())
    text = str(value)
    return _moment(text) or text


def _brief(value: object) -> str:
    """A value in one cell among many: a long list by its beginning. Showing the one thing shows it whole."""
    if isinstance(value, list) and len(value) > LIST_SHOWN:
        return f"{shown(value[: LIST_SHOWN - 1])}, +{len(value) - LIST_SHOWN + 1}"
    return shown(value)


def _moment(text: str) -> str | None:
    if len(text) < 20 or text[10] != "T" or not text.endswith(("Z", "+00:00")):
        return None
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%MZ")
    except ValueError:
        return None


def _title(name: str) -> str:
    return name.replace("_", " ").removesuffix(" at").capitalize()


def _style(column: str, facts: Facts) -> str:
    if column in {"status", "result"}:
        return _COLOURS.get(str(facts.get(column)), "")
    return "dim" if facts.get("status") in {"disabled", "suspended"} else ""


_COLOURS = {
    "active": "green",
    "ok": "green",
    "disabled": "dim",
    "suspended": "red",
    "expired": "yellow",
    "revoked": "red",
    "wrong": "red",
    "broken": "red",
    "skipped": "dim",
}
