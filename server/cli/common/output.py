"""Output of the commands: JSON for programs, and tables for people.

Data go to standard output, messages to standard error."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

import typer

from .run import USAGE, Failure, program_now, writes_utf8

Facts = dict[str, Any]
"""JSON values by name."""

TABLE_ROWS_MAX = 100
LIST_SHOWN = 4
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
_FOREGROUNDS = {"green": "green", "red": "red", "yellow": "yellow"}


def say(message: str) -> None:
    """Print a message to standard error."""
    print(message, file=sys.stderr)


def json_text(facts: object) -> str:
    """Return a JSON document on one line; in ASCII if standard output is not UTF-8, so that it stays valid."""
    return json.dumps(facts, ensure_ascii=not writes_utf8(sys.stdout.encoding))


def show_one(facts: Mapping[str, Any], json_wanted: bool) -> None:
    """Print one object: as a JSON document, or as a table of its facts."""
    if json_wanted:
        print(json_text(facts))
        return
    from .table import pair_lines, printable, terminal_width

    pairs = [(_title(name), printable(shown(value))) for name, value in facts.items()]
    for title, line in pair_lines(pairs, terminal_width()):
        print(f"{styled(title, 'bold')}{line}".rstrip())


def show_once(
    facts: Mapping[str, Any], secret: str | None, note: str, json_wanted: bool, *, field: str = "secret"
) -> None:
    """Print an object with a secret that is never shown again.

    :param facts: everything but the secret, which ``--json`` adds as ``field``.
    :param secret: without ``--json`` alone on standard output, so that a shell can capture it; None if there is none.
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


@dataclass(frozen=True, slots=True)
class Format:
    """How a list is printed.

    :param json: as one JSON array.
    :param lines: as JSON Lines, one object a line, each printed as soon as it was read.
    :param wide: as a table with all columns and whole values.
    :param limit: the most rows; None for the default.
    """

    json: bool = False
    lines: bool = False
    wide: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.json and self.lines:
            raise Failure("Give --json or --jsonl, not both.", USAGE)


class Listing:
    """Output of a list: JSON as rows are added, or a table at the end.

    :param columns: the facts that the table shows, in order; JSON shows all.
    :param drop: columns that are left out of a table that does not fit, the least important one first.
    """

    def __init__(self, form: Format, *columns: str, drop: Sequence[str] = ()) -> None:
        self._form = form
        self._columns = columns
        self._drop = drop
        self._for_programs = form.json or form.lines
        self._limit = form.limit if form.limit is not None or self._for_programs else TABLE_ROWS_MAX
        self._rows: list[Facts] = []
        self._count = 0
        self._cut = False

    def __enter__(self) -> Listing:
        return self

    def add(self, facts: Facts) -> bool:
        """Show one row; return False if it exceeds the limit, so that the caller can stop."""
        if self._limit is not None and self._count >= self._limit:
            self._cut = True
            return False
        self._count += 1
        if self._form.json:
            print(f"{'[' if self._count == 1 else ','}\n{json_text(facts)}", end="")
        elif self._form.lines:
            print(json_text(facts))
        else:
            self._rows.append(facts)
        return True

    async def add_all(self, rows: AsyncIterator[Facts]) -> None:
        """Show rows as they are read, up to the limit."""
        async for row in rows:
            if not self.add(row):
                return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            return
        if self._form.json:
            print("\n]" if self._count else "[]")
        elif self._rows:
            print_table(self._rows, self._columns, self._drop, wide=self._form.wide)
        elif not self._for_programs:
            say("There are none.")
        if self._cut:
            say(f"There are more than these {self._count}; use --limit for more, or --json.")


def print_table(rows: Sequence[Facts], columns: Sequence[str], drop: Sequence[str] = (), *, wide: bool = False) -> None:
    """Print a table, one line a row; says on standard error which columns were left out.

    :param drop: columns that are left out if the table does not fit, the least important one first.
    :param wide: print all columns and whole values, however long the lines become.
    """
    from .table import GAP, cells, fitted, layout, printable, terminal_width

    width = None if wide else terminal_width()
    brief = shown if width is None else _brief
    titles = {name: _title(name) for name in columns}
    lines = [{name: printable(brief(facts.get(name))) for name in columns} for facts in rows]
    natural = {name: max(cells(titles[name]), *(cells(line[name]) for line in lines)) for name in columns}
    fits = layout(natural, drop, width)
    last = list(fits.widths)[-1]

    def row(line: Mapping[str, str], styles: Mapping[str, str]) -> str:
        texts = {name: fitted(line[name], wide) for name, wide in fits.widths.items()}
        texts[last] = texts[last].rstrip()
        return GAP.join(styled(text, styles.get(name, "")) for name, text in texts.items())

    print(row(titles, dict.fromkeys(columns, "bold")))
    for line, facts in zip(lines, rows, strict=True):
        print(row(line, {name: _style(name, facts) for name in columns}))
    if fits.left_out:
        named = ", ".join(titles[name].lower() for name in columns if name in fits.left_out)
        say(f"Left out at this width: {named}. --wide shows everything.")


def styled(text: str, style: str) -> str:
    """Return the text with a colour, or ``bold`` or ``dim``, if standard output shows that."""
    from .table import uses_colour

    if not style or not text or not uses_colour():
        return text
    return str(typer.style(text, bold=style == "bold", dim=style == "dim", fg=_FOREGROUNDS.get(style)))


def shown(value: object) -> str:
    """Return a JSON value as people read it; times to the minute, in UTC."""
    match value:
        case None | "" | []:
            return "–"
        case {"kind": _, "id": str(id_), "name": str(name)}:  # an actor
            return f"{name} ({id_})" if name and name != id_ else id_
        case dict() if not value:
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
    """Return a value for a cell of a list, in which a long value is cut; showing the single object shows all of it."""
    if isinstance(value, list) and len(value) > LIST_SHOWN:
        return f"{shown(value[: LIST_SHOWN - 1])}, +{len(value) - LIST_SHOWN + 1}"
    if isinstance(value, dict) and {"kind", "id", "name"} <= value.keys():  # an actor
        return shown(value["name"] or value["id"])
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


def made_text(facts: Facts) -> str:
    """Return the demo as text, with the secrets that were created in this run."""
    owner, token = facts["owner"], facts["token"]
    lines = ["" if facts["changed"] else "The demo is there already; nothing was changed.", "Workspaces"]
    for one in facts["workspaces"]:
        spaces = ", ".join(space["slug"] for space in one["spaces"])
        lines.append(
            f"  {one['slug']:<16} {one['product']} on the plan {one['plan']}{f', spaces {spaces}' if spaces else ''}"
        )
    lines += [
        "",
        "Sign in",
        f"  e-mail    {owner['email']}   (account {owner['id']})",
        f"  password  {_password(facts)}",
        "",
    ]
    lines.append(f"Token '{token['name']}' of {token['workspace']}")
    if token["secret"] is not None:
        lines += ["  shown only once:", f"  export TOKEN={token['secret']}"]
    else:
        lines.append("  was shown when it was made. For another one:")
        lines.append(f"  {_another(facts)}")
    return "\n".join(lines).lstrip("\n")


def requests_text(facts: Facts, address: str) -> str:
    """Return example requests for a server at ``address``; they read the token from the shell's variable."""
    token = facts["token"]
    if token["space_id"] is None:
        where = token["workspace_id"]
        rest_place = ""
    else:
        where = token["space_id"]
        rest_place = f', "space_id": "{where}"'
    document = (
        f'mutation {{ createToken(input: {{ownerId: \\"{where}\\", name: \\"By GraphQL\\", '
        f'grants: [\\"{token["scope"]}\\"]}}) '
        "{ __typename ... on CreateTokenSuccess { secret token { id name status } } } }"
    )
    bearer = '-H "Authorization: Bearer $TOKEN"'
    json_type = "-H 'Content-Type: application/json'"
    rest = f"{address}/api/v1/api-keys"
    return f"""
Spacekey listens on {address}
The dashboard is {address}/ : sign in there as the owner.

To paste, after the export above:

  # who am I
  curl -s {bearer} {address}/api/v1/self

  # create a token by GraphQL
  curl -s {bearer} {json_type} {address}/graphql \\
    -d '{{"query": "{document}"}}'

  # create one by REST
  curl -s {bearer} {json_type} {rest} \\
    -d '{{"name": "By REST", "permissions": ["{token["scope"]}"]{rest_place}}}'

  # list them; revoke one by the id the list shows
  curl -s {bearer} {rest}
  curl -s {bearer} -X DELETE {rest}/KEY_ID

Ctrl-C stops the server."""


def _password(facts: Facts) -> str:
    owner = facts["owner"]
    if owner["password"] is not None:
        return f"{owner['password']}   (shown this once)"
    return "the one in SPACEKEY_OWNER_PASSWORD" if owner["new"] else "as set when the owner was made"


def _another(facts: Facts) -> str:
    token = facts["token"]
    space = [] if token["space_id"] is None else ["--space", token["space_id"]]
    scopes = [word for one in token["grants"] for word in ("-g", one)]
    words = shlex.join(["token", "create", "Trying", "-w", token["workspace"], *space, *scopes])
    return f"export TOKEN=$({program_now()} {words})"
