"""Running of commands: settings, the system and its store, exit codes, errors as messages, confirmation and options.

:func:`run` opens a system from the environment's settings, checks its store, and closes it after the command's work.
:class:`Root` prints expected errors as messages, each with its exit code, and :class:`Leaf` names the argument or
option that caused one. The streams are prepared to write any text in any locale."""

from __future__ import annotations

import codecs
import io
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from spacekey.domain.clock import EXAMPLE_MOMENT
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable, SpacekeyError
from spacekey.domain.refusal import InputCode, InvalidInput, NotFound
from spacekey.domain.unset import UNSET, Unset

from .removed import command_now, option_now

if TYPE_CHECKING:
    from spacekey.models.engine.store import Store
    from spacekey.resolvers.access.caller import Operator
    from spacekey.server.settings import Settings

T = TypeVar("T")

SECRET_BYTES_MAX = 4_096
GOOD = 0
REFUSED = 1
USAGE = 2
UNAVAILABLE = 3
MEANING = "Exit codes: 0 good; 1 refused, not found or something wrong; 2 wrong usage, value or setting; 3 unavailable."
_FINDERS = {
    "service": "'spacekey service list' shows them.",
    "token": "'spacekey token list' shows the ids.",
    "member": "'spacekey member list' shows who is one.",
    "space": "'spacekey space list' shows them.",
    "workspace": "'spacekey workspace list' shows them.",
}
_PARAMETERS = {
    "actor_id": "actor",
    "expires_at": "expires",
    "created_after": "since",
    "created_before": "until",
    "expiring_days": "expiring",
    "grace_seconds": "grace",
    "grants": "grant",
    "lifetime_seconds_default": "lifetime_default",
    "lifetime_seconds_max": "lifetime_max",
    "scopes_allowed": "allow",
    "space_id": "space",
    "unused_days": "days",
}
"""A resolver's name of a field → the commands' name of the parameter, if they differ."""
_MADE_FROM = {"name": ("slug", "email", "role"), "email": ("account", "owner"), "account": ("email", "owner")}
"""A field → the parameters that its value comes from if it was left out, or the command has no such parameter."""
_SPAN = re.compile(r"([1-9][0-9]{0,4}) ?([a-z]{1,7})", re.ASCII | re.IGNORECASE)
_UNITS = {
    **dict.fromkeys(("min", "mins", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
    **dict.fromkeys(("y", "year", "years"), timedelta(days=365)),
}
_MONTHS = {"m", "mo", "mon", "month", "months"}
_AMBIGUOUS = "'{}' could be minutes or months: write {}min for minutes, and days or a date for months."
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
NAME = "spacekey"
NAME_LENGTH_MAX = 200
_ERRORS = "spacekey.readable"
_PLAIN = {"…": "...", "–": "-", "—": "-", "→": "->", "’": "'", "‘": "'", "“": '"', "”": '"', "•": "*", "·": "*"}
"""ASCII replacements for the punctuation in the commands' own messages."""


def settings_now() -> Settings:
    """Return the settings in the environment.

    :raises ConfigurationError: a setting is invalid; names the variable and what to write instead.
    """
    from spacekey.server.settings import Settings

    return Settings.from_environ(os.environ)


def operator() -> Operator:
    """Return the operator as the caller, who may do everything, with the name of the person at the keyboard."""
    from spacekey.resolvers.access.caller import Operator, RequestFacts

    return Operator(RequestFacts(), name=operator_name(settings_now().operator, os.environ))


def operator_name(chosen: str | None, environ: Mapping[str, str]) -> str:
    """Return the name under which the audit log keeps who ran a command.

    :param chosen: ``SPACEKEY_OPERATOR``, which is checked already.
    :param environ: without a chosen name, ``SUDO_USER`` is used before the process's own user; both with the host.
    """
    from spacekey.domain.actor import OPERATOR_ID
    from spacekey.resolvers.validation import clean_name

    if chosen is not None:
        return clean_name("operator", chosen)
    import getpass
    import socket

    try:
        user = environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):  # a container may have no name for its user
        user = OPERATOR_ID
    try:
        return clean_name("operator", f"{user}@{socket.gethostname()}"[:NAME_LENGTH_MAX])
    except InvalidInput:
        return OPERATOR_ID


def sentence(words: str) -> str:
    """Return the text as a sentence, with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."


def is_missing(store: Store) -> bool:
    """Return whether the database is an SQLite file that does not exist. Connecting would create an empty one."""
    from spacekey.models.engine.store import SQLITE

    return store.dialect == SQLITE and not Path(store.url.database or "").exists()


class Failure(SpacekeyError):
    """Error of a command; the message says what to do instead."""

    def __init__(self, message: str, code: int = REFUSED) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: SpacekeyError) -> int:
    """Return the exit code for an expected error."""
    match error:
        case Failure():
            return error.code
        case ServiceUnavailable():
            return UNAVAILABLE
        case ConfigurationError() | InvalidInput():
            return USAGE
    return REFUSED


def message_of(error: SpacekeyError) -> str:
    """Return the error's message as the command line words it."""
    match error:
        case NotFound():
            return f"There is no such {error.what}. {_FINDERS.get(error.what, '')}".strip()
        case ServiceUnavailable():
            return f"Unavailable: {error}. {error.advice}" if error.may_have_changed else f"Unavailable: {error}."
    return str(error)


def confirmed(question: str, *, yes: bool) -> None:
    """Ask for confirmation, unless ``--yes`` was given; exit without it.

    :raises Failure: standard input is not a terminal, so it cannot be asked for.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{question} Standard input is not a terminal; use --yes to confirm.", USAGE)
    typer.confirm(question, abort=True, err=True)


_GIVEN_AWAY = (
    "That is a token's secret, and now it stands in your shell's history. Pass the token's id (key_…) instead, and "
    "consider rotating the token. 'spacekey token verify' reads a secret from standard input."
)


def check_no_secret(words: Sequence[str]) -> None:
    """Check that no argument or option is a token's secret: it would stand in the shell's history.

    :raises Failure: one is; does not repeat it.
    """
    from spacekey.domain.secret import Secret, parse

    for word in words:
        if any(parse(Secret(one.strip())) is not None for one in (word, word.partition("=")[2], word[2:])):
            raise Failure(_GIVEN_AWAY, USAGE)


class Leaf(TyperCommand):
    """Command without subcommands. Its help shows ``examples`` first."""

    examples: tuple[str, ...] = ()

    def get_help(self, ctx: Any) -> str:
        """Return the help in characters that standard output has: click would write others in UTF-8 all the same."""
        return as_encoded(super().get_help(ctx), sys.stdout.encoding)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments and options. Values of a line that is being completed are not checked."""
        if not ctx.resilient_parsing:
            return self._parsed(ctx, args)
        given, rest, _ = self.make_parser(ctx).parse_args(args=args)
        for one in self.get_params(ctx):
            value, source = one.consume_value(ctx, given)
            ctx.params[one.name] = value
            ctx.set_parameter_source(one.name, source)
        ctx.args = list(rest)
        return list(rest)

    def _parsed(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments and options.

        :raises Failure: a secret, an option under its earlier name, or too many arguments were given.
        """
        check_no_secret(args)
        known = {option for one in self.params for option in (*one.opts, *one.secondary_opts)}
        renamed = option_now(args, known)
        if renamed is not None:
            raise Failure(f"{renamed[0]} is called {renamed[1]} now.", USAGE)
        ctx.allow_extra_args = True
        rest: list[str] = super().parse_args(ctx, args)
        if rest:
            takes = [str(one.metavar or one.name) for one in self.params if one.param_type_name == "argument"]
            most = f"only {' '.join(takes)}" if takes else "no argument"
            names = " Name the workspace by -w or SPACEKEY_WORKSPACE." if "--workspace" in known else ""
            raise Failure(f"{', '.join(rest)}: the command takes {most} without an option.{names}", USAGE)
        return rest

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, then the description."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        super().format_help_text(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error of its input names the argument or option.

        :raises Failure: for refused input.
        """
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            faults = (f"{typed_name(self.params, ctx.params, one.field)}: {one.reason}" for one in error.faults)
            raise Failure(" ".join(faults), USAGE) from error


def typed_name(parameters: list[Any], values: Mapping[str, Any], field: str) -> str:
    """Return ``--plan`` or ``PLAN``, as this command has it; the field's own name if the command has no such parameter.

    :param parameters: the command's parameters in click.
    :param values: parameter → its value; None if it was left out.
    """
    known = {one.name: one for one in parameters}
    name = _PARAMETERS.get(field, field)
    if values.get(name) is None:
        name = next((one for one in _MADE_FROM.get(name, ()) if one in known), name)
    found = known.get(name)
    if found is None:
        return field
    return max(found.opts, key=len) if found.param_type_name == "option" else str(found.metavar or found.name)


def read_lifetime(field: str, text: str | None) -> int | Unset | None:
    """Return a lifetime in seconds; UNSET if the option is missing, None for ``none``.

    :raises InvalidInput: it has another format; says what to write.
    """
    if text is None:
        return UNSET
    if text == "none":
        return None
    span = _span(field, text)
    if span is None:
        raise InvalidInput(field, "Write 90d, 2w, 1y, 12h, 30min or none.", InputCode.INVALID_FORMAT)
    return int(span.total_seconds())


def read_moment(field: str, text: str | None) -> datetime | None:
    """Return a time in the past or future: a span counts back from now, a date is its beginning in UTC.

    :raises InvalidInput: it has another format; says what to write.
    """
    from spacekey.resolvers.validation import parse_moment

    if text is None:
        return None
    span = _span(field, text)
    if span is not None:
        return datetime.now(UTC) - span
    try:
        return parse_moment(field, f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except InvalidInput:
        remedy = f"Write a span back from now like 24h or 7d, a date, or a time like {EXAMPLE_MOMENT}."
        raise InvalidInput(field, remedy, InputCode.INVALID_FORMAT) from None


def read_secret() -> str:
    """Return a secret from standard input: asked for without echo on a terminal, otherwise its one line.

    :raises ConfigurationError: it is not one line of text.
    """
    from spacekey.domain.text_input import decode_text, one_line

    if sys.stdin.isatty():
        return str(typer.prompt("Secret", hide_input=True, err=True)).strip()
    read = decode_text(sys.stdin.buffer.read(SECRET_BYTES_MAX), "standard input")
    return one_line(read, "standard input").strip()


def read_expiry(text: str | None, now: datetime) -> datetime | Unset | None:
    """Return the time of expiry; UNSET if the option is missing, None for ``never``.

    A date means the last second of that day in UTC.

    :raises InvalidInput: it has another format; says what to write.
    """
    from spacekey.resolvers.validation import parse_moment

    if text is None:
        return UNSET
    if text == "never":
        return None
    span = _span("expires_at", text)
    if span is not None:
        try:
            return now + span
        except OverflowError:
            raise InvalidInput("expires_at", "Is too far away; write never.", InputCode.OUT_OF_RANGE) from None
    try:
        return parse_moment("expires_at", f"{text}T23:59:59Z" if _DATE.fullmatch(text) else text)
    except InvalidInput:
        raise InvalidInput(
            "expires_at",
            "Write 90d, 2w, 1y, 12h, 30min, never, a date such as 2030-01-31, or a time with its zone: "
            f"{EXAMPLE_MOMENT}.",
            InputCode.INVALID_FORMAT,
        ) from None


def _span(field: str, text: str) -> timedelta | None:
    """Return how long ``2w`` is; None for another format.

    :raises InvalidInput: for ``3m``, which some people write for minutes and others for months.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    number, unit = found[1], found[2].lower()
    if unit in _MONTHS:
        raise InvalidInput(field, _AMBIGUOUS.format(text, number), InputCode.INVALID_FORMAT)
    return None if unit not in _UNITS else int(number) * _UNITS[unit]


def scope_names(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the scopes of a repeated option, each value of which may name several, separated by commas.

    A comma that belongs to a name is written as ``\\,``: no scope has a backslash (RFC 6749 §3.3).
    """
    parts = (one for value in values or () for one in re.split(r"(?<!\\),", value))
    return tuple(name.replace("\\,", ",") for one in parts if (name := one.strip()))


def program_now() -> str:
    """Return how to call the running program from the working directory."""
    return program_called(sys.argv[0], sys.executable, shutil.which(NAME), Path.cwd())


def program_called(argv0: str, executable: str, found: str | None, here: Path) -> str:
    """Return how to call a program that runs from a virtual environment, quoted for a shell.

    :param argv0: the name by which it was started.
    :param executable: the Python that runs it, which is in the program's folder.
    :param found: the program that the shell finds by the bare name; None if it finds none.
    :param here: the working directory; a program inside it is named by its relative path.
    """
    own = next((one for one in (here / argv0, Path(executable).with_name(NAME)) if _is_program(one)), None)
    if own is None or (found is not None and Path(found).resolve() == own.resolve()):
        return NAME
    return shlex.quote(str(own.relative_to(here) if own.is_relative_to(here) else own))


def _is_program(path: Path) -> bool:
    return path.name == NAME and path.is_file()


class Branch(TyperGroup):
    """Group of commands. Its own options are checked only if one was given: checking loads Pydantic."""

    def get_help(self, ctx: Any) -> str:
        """Return the help in characters that standard output has."""
        return as_encoded(super().get_help(ctx), sys.stdout.encoding)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options that stand before the command, and its name."""
        ctx.meta[self._without_options] = not args[0].startswith("-") if args else ctx.resilient_parsing
        try:
            parsed: list[str] = super().parse_args(ctx, args)
        finally:
            ctx.meta[self._without_options] = False
        return parsed

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the words name.

        :raises Failure: it was removed; says how it is called now.
        """
        words = args if isinstance(self, Root) else [str(self.name), *args]
        removed = None if ctx.resilient_parsing else command_now(words)
        if removed is not None:
            raise Failure(f"'{removed[0]}' is called 'spacekey {removed[1]}' now.", USAGE)
        return super().resolve_command(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options; none while a line without them is read."""
        found: list[Any] = super().get_params(ctx)
        return [] if ctx.meta.get(self._without_options, False) else found

    @property
    def _without_options(self) -> str:
        return f"spacekey.without_options.{self.name}"


class Root(Branch):
    """Root command ``spacekey``."""

    def invoke(self, ctx: Any) -> Any:
        """Run the named command. Bugs show a traceback, expected errors a message."""
        try:
            return super().invoke(ctx)
        except SpacekeyError as error:
            print(f"spacekey: {message_of(error)}", file=sys.stderr)
            raise typer.Exit(code_of(error)) from None


def prepare_streams() -> None:
    """Make standard output and error write any character: as ASCII or escaped if the locale's encoding lacks it."""
    codecs.register_error(_ERRORS, _readable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not writes_utf8(stream.encoding):
            stream.reconfigure(errors=_ERRORS)


def writes_utf8(encoding: str | None) -> bool:
    """Return whether this encoding has every character."""
    try:
        return codecs.lookup(encoding or "ascii").name == "utf-8"
    except LookupError:
        return False


def decoded_arguments(arguments: Sequence[str]) -> list[str]:
    """Return command line arguments read as UTF-8 where the locale could not decode their bytes (PEP 383)."""
    return [_decoded(one) for one in arguments]


def _decoded(argument: str) -> str:
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        return argument


def as_encoded(text: str, encoding: str | None) -> str:
    """Return the text as a stream with this encoding shows it once its streams are prepared."""
    if writes_utf8(encoding):
        return text
    codecs.register_error(_ERRORS, _readable)
    return text.encode(encoding or "ascii", _ERRORS).decode(encoding or "ascii")


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in text), error.end
