"""From a command to the system: settings from the environment, a store that is ready, and everything closed again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from spacekey.models.engine.store import Store
    from spacekey.resolvers.access.caller import Operator
    from spacekey.resolvers.system import System
    from spacekey.server.settings import Settings
import codecs
import io
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup

from spacekey.domain.errors import ConfigurationError, SpacekeyError, Unavailable
from spacekey.domain.refusal import InvalidInput, NotFound

T = TypeVar("T")

MIGRATE = "Run: spacekey migrate"


def settings_now() -> Settings:
    """The settings in the environment.

    :raises ConfigurationError: naming the variable and what to write instead.
    """
    from spacekey.server.settings import Settings

    return Settings.from_environ(os.environ)


def operator() -> Operator:
    """Whoever runs the server, who may do everything."""
    from spacekey.resolvers.access.caller import Operator, RequestFacts

    return Operator(RequestFacts())


def run(work: Callable[[System], Awaitable[T]], *, migrated: bool = True, takes_away: bool = False) -> T:
    """Do ``work`` with the system the settings describe.

    :param migrated: refuse, before any work, a database that is not at this version's revision.
    :param takes_away: the work takes access away, so that what it does not find is said after T.
    :raises SpacekeyError: whatever work refuses, and :class:`Failure` for a database that is not ready.
    """
    settings = settings_now()

    async def within() -> T:
        from spacekey.models.engine.store import watched_changes
        from spacekey.server.build import build_system

        system = build_system(settings)
        try:
            with watched_changes():
                if migrated:
                    await check_ready(system.store)
                return await _settled(system, work) if takes_away else await work(system)
        finally:
            await system.store.aclose()

    return asyncio.run(within())


async def _settled(system: System, work: Callable[[System], Awaitable[T]]) -> T:
    """Do the work; a name that is not found may have been deleted a moment ago, by a command whose answer was lost."""
    try:
        return await work(system)
    except Failure as failure:
        if failure.code == REFUSED:
            from spacekey.resolvers.staleness import settle_refused

            await settle_refused(system)
        raise


async def check_ready(store: Store) -> None:
    """Refuse a database that is not there, or whose schema is not this version's.

    :raises Failure: saying what to run.
    :raises Unavailable: the database does not answer.
    """
    from spacekey.models.migrations.run import current

    if is_missing(store):
        raise Failure(f"There is no database at '{store.url.database}' yet. {MIGRATE}", UNAVAILABLE)
    schema = await current(store)
    if schema.problem is not None:
        raise Failure(f"The database {schema.problem}. {sentence(schema.remedy)}", UNAVAILABLE)


def sentence(words: str) -> str:
    """The words as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


def is_missing(store: Store) -> bool:
    """Whether the database is an SQLite file that does not exist; asking SQLite would make an empty one."""
    from spacekey.models.engine.store import SQLITE

    return store.dialect == SQLITE and not Path(store.url.database or "").exists()


GOOD = 0
REFUSED = 1
USAGE = 2
UNAVAILABLE = 3

MEANING = "Exit codes: 0 good; 1 refused, not found or something wrong; 2 wrong usage or settings; 3 unavailable."

_FINDERS = {
    "token": "'spacekey token list WORKSPACE' shows the ids.",
    "member": "'spacekey member list WORKSPACE' shows who is one.",
    "space": "'spacekey space list WORKSPACE' shows them.",
    "workspace": "'spacekey workspace list' shows them.",
}


class Failure(SpacekeyError):
    """The command cannot do it; the message says what to do instead."""

    def __init__(self, message: str, code: int = REFUSED) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: SpacekeyError) -> int:
    """The exit code an expected error ends with."""
    match error:
        case Failure():
            return error.code
        case Unavailable():
            return UNAVAILABLE
        case ConfigurationError():
            return USAGE
    return REFUSED


def message_of(error: SpacekeyError) -> str:
    """The error in the words of the command line."""
    match error:
        case NotFound():
            return f"There is no such {error.what}. {_FINDERS.get(error.what, '')}".strip()
        case Unavailable():
            return f"Unavailable: {error}. {error.advice}" if error.may_have_changed else f"Unavailable: {error}."
    return str(error)


def confirmed(question: str, *, yes: bool) -> None:
    """Go on when the person agrees, or ``--yes`` was given.

    :raises Failure: nobody can be asked, since standard input is no terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{question} Nobody is there to answer; say --yes to do it without asking.", USAGE)
    typer.confirm(question, abort=True, err=True)


_PARAMETERS = {
    "actor_id": "actor",
    "expires_at": "expires",
    "grace_seconds": "grace",
    "grants": "scope",
    "lifetime_seconds_default": "lifetime_default",
    "lifetime_seconds_max": "lifetime_max",
    "scopes_allowed": "scope",
    "space_id": "space",
    "unused_days": "days",
}
"""What a resolver calls a field → what the commands call the parameter, where they differ."""

_MADE_FROM = {"name": ("slug", "email"), "email": ("account", "owner"), "account": ("email", "owner")}
"""What a field's value comes from where it was left out, or where the command has no such parameter."""


class Leaf(TyperCommand):
    """A command that does something itself."""

    def invoke(self, ctx: Any) -> Any:
        """Run it; input that is refused is called by its argument or option.

        :raises Failure: for refused input.
        """
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            raise Failure(f"{typed_name(self.params, ctx.params, error.field)}: {error.reason}") from error


def typed_name(parameters: list[Any], values: Mapping[str, Any], field: str) -> str:
    """``--plan`` or ``PLAN``, as this command has it; the field's own name when the command has no such parameter.

    :param parameters: the command's, as click knows them.
    :param values: parameter → its value; None when it was left out.
    """
    known = {one.name: one for one in parameters}
    name = _PARAMETERS.get(field, field)
    if values.get(name) is None:
        name = next((one for one in _MADE_FROM.get(name, ()) if one in known), name)
    found = known.get(name)
    if found is None:
        return field
    return max(found.opts, key=len) if found.param_type_name == "option" else str(found.metavar or found.name)


AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON for machines: one document, or one object a line for lists.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
NoWait: TypeAlias = Annotated[
    bool, typer.Option("--no-wait", help="Answer before the change holds everywhere; effective_at says when it does.")
]
WorkspaceName: TypeAlias = Annotated[str, typer.Argument(metavar="WORKSPACE", help="A workspace's slug or id.")]
SpaceName: TypeAlias = Annotated[
    str, typer.Argument(metavar="SPACE", help="A space's id, or WORKSPACE/SPACE by their slugs.")
]
Email: TypeAlias = Annotated[
    str, typer.Argument(metavar="EMAIL", help="The e-mail address that the invitation was made for.")
]
Account: TypeAlias = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="An account's id (usr_…), or the address it has proven.")
]
TokenId: TypeAlias = Annotated[str, typer.Argument(metavar="TOKEN", help="A token's id (key_…), never its secret.")]
Limit: TypeAlias = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most this many; without it 100 in a table, all with --json.")
]


NAME = "spacekey"


def program_now() -> str:
    """How the running program is called from the present folder."""
    return program_called(sys.argv[0], sys.executable, shutil.which(NAME), Path.cwd())


def program_called(argv0: str, executable: str, found: str | None, here: Path) -> str:
    """How a program that runs from a virtual environment is called, quoted for a shell.

    :param argv0: what it was started as.
    :param executable: the Python that runs it; the program lies beside it.
    :param found: what the shell would run by the bare name; None for nothing.
    :param here: the folder to call it from; what lies in it is named by its short path.
    """
    own = next((one for one in (here / argv0, Path(executable).with_name(NAME)) if _is_program(one)), None)
    if own is None or (found is not None and Path(found).resolve() == own.resolve()):
        return NAME
    return shlex.quote(str(own.relative_to(here) if own.is_relative_to(here) else own))


def _is_program(path: Path) -> bool:
    return path.name == NAME and path.is_file()


class Root(TyperGroup):
    """The command ``spacekey`` itself."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named. A bug still shows its traceback; what is expected never does."""
        try:
            return super().invoke(ctx)
        except SpacekeyError as error:
            print(f"spacekey: {message_of(error)}", file=sys.stderr)
            raise typer.Exit(code_of(error)) from None


_ERRORS = "spacekey.readable"

_PLAIN = {"…": "...", "–": "-", "—": "-", "→": "->", "’": "'", "‘": "'", "“": '"', "”": '"', "•": "*", "·": "*"}
"""ASCII for the punctuation that the commands print themselves."""


def prepare_streams() -> None:
    """Make standard output and error write every character: in plain ASCII or escaped where the locale has it not."""
    codecs.register_error(_ERRORS, _readable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not writes_utf8(stream.encoding):
            stream.reconfigure(errors=_ERRORS)


def writes_utf8(encoding: str | None) -> bool:
    """Return whether text in this encoding can hold every character."""
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


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in text), error.end
