"""The tree of all commands. Only the module of the command that is called is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated

import typer

from .common.run import MEANING, NAME, Branch, Leaf, Root

_HELP = "API tokens done right: issue, manage and check them. Settings are read from SPACEKEY_… variables."


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that belong together, such as those of tokens.

    :param module: the module that has them.
    :param commands: the command's name → its function in the module.
    """

    about: str
    module: str
    commands: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Single:
    """A command without a group."""

    about: str
    module: str
    function: str


SINGLES: dict[str, Single] = {
    "serve": Single(
        "Serve until stopped: GraphQL, REST and the dashboard. SQLite is migrated first.", "serving", "serve"
    ),
    "migrate": Single(
        "Bring the database's tables to this version, all or nothing; shows the revision before and after.",
        "serving",
        "migrate",
    ),
    "demo": Single(
        "Make an owner and a workspace for each product; what is there already stays as it is.", "serving", "demo"
    ),
    "init": Single(
        "Write a product file, a settings file and a systemd unit or compose file for a product of your own.",
        "init",
        "init",
    ),
    "login": Single(
        "Use a server from now on, with a token of yours. Its secret is asked for, or read from standard input.",
        "login",
        "login",
    ),
    "logout": Single(
        "Forget the server and the token's secret. The token itself stays valid; 'token revoke' ends it.",
        "login",
        "logout",
    ),
    "restore-check": Single(
        "After a restore: end again what was revoked, disabled or narrowed since the backup, by newer audit exports.",
        "restore_check",
        "restore_check",
    ),
    "check": Single(
        "Check settings, products, the database's revision and the clock; exits with 1 when something is wrong.",
        "check",
        "check",
    ),
}

GROUPS: dict[str, Group] = {
    "workspace": Group(
        "Workspaces: plans, limits, policies, suspension.",
        "workspace",
        {
            "list": "list_",
            "create": "create",
            "show": "show",
            "edit": "edit",
            "suspend": "suspend",
            "resume": "resume",
            "delete": "delete",
        },
    ),
    "space": Group(
        "Spaces inside a workspace.",
        "space",
        {"list": "list_", "show": "show", "create": "create", "edit": "edit", "delete": "delete"},
    ),
    "member": Group(
        "Members of a workspace and their roles.",
        "member",
        {
            "list": "list_",
            "show": "show",
            "add": "add",
            "set-role": "set_role",
            "remove": "remove",
        },
    ),
    "invitation": Group(
        "Invitations to a workspace that were not accepted yet.",
        "invitation",
        {"list": "list_", "withdraw": "withdraw"},
    ),
    "user": Group(
        "Accounts: people who can sign in.",
        "user",
        {"list": "list_", "create": "create", "prove": "prove", "reset-password": "reset_password", "erase": "erase"},
    ),
    "token": Group(
        "Tokens: issue, find, rotate, end.",
        "token",
        {
            "list": "list_",
            "count": "count",
            "quota": "quota",
            "inactive": "inactive",
            "whose": "whose",
            "verify": "verify",
            "show": "show",
            "create": "create",
            "edit": "edit",
            "rotate": "rotate",
            "import": "import_",
            "disable": "disable",
            "enable": "enable",
            "revoke": "revoke",
            "delete": "delete",
        },
    ),
    "service": Group(
        "Services: apps that verify the tokens of every workspace of a product.",
        "service",
        {"list": "list_", "create": "create", "rotate": "rotate", "revoke": "revoke"},
    ),
    "role": Group(
        "Roles of a workspace's members and tokens.", "role", {"list": "list_", "set": "set_", "delete": "delete"}
    ),
    "usage": Group("How much tokens are used, by day and by token.", "usage", {"show": "show", "list": "list_"}),
    "config": Group(
        "What all processes on a database share: the revocation delay.", "config", {"get": "get", "set": "set_"}
    ),
    "audit": Group(
        "The audit log: read, check, export.",
        "audit",
        {"list": "list_", "verify": "verify", "heads": "heads", "checkpoint": "checkpoint", "export": "export"},
    ),
    "product": Group(
        "The products that are loaded: scopes, roles, plans.", "product", {"list": "list_", "show": "show"}
    ),
    "scope": Group(
        "Scopes: the least an operation needs, and new names for held ones.",
        "scope",
        {"needed": "needed", "rename": "rename"},
    ),
}


def build_app(words: Sequence[str] | None = None) -> typer.Typer:
    """Return the command line's app.

    :param words: of the command that is called. Other commands and groups then have their name and help only, so that
        an answer comes soon. None for the whole tree.
    """
    called = None if words is None else next((word for word in words if not word.startswith("-")), "")
    # Local variables in a traceback could hold a secret, so bugs show Python's plain one.
    app = typer.Typer(
        cls=Root,
        help=_HELP,
        epilog=MEANING,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        callback=_root,
    )
    for name, single in SINGLES.items():
        if called in (None, name):
            _add(app, name, name, _function(single.module, single.function))
        else:
            app.command(name, cls=Leaf, help=single.about)(_not_loaded)
    for name, group in GROUPS.items():
        inner = typer.Typer(cls=Branch, help=group.about, no_args_is_help=True, rich_markup_mode=None)
        if called in (None, name):
            for command, function in group.commands.items():
                _add(inner, command, f"{name} {command}", _function(group.module, function))
        else:
            inner.command("help", cls=Leaf)(_not_loaded)
            inner.command("list", cls=Leaf)(_not_loaded)
        app.add_typer(inner, name=name)
    return app


def _add(app: typer.Typer, name: str, path: str, command: Callable[..., None]) -> None:
    from .common.examples import EXAMPLES

    class WithExamples(Leaf):
        """A command that shows examples of how it is called."""

        examples = EXAMPLES.get(path, ())

    app.command(name, cls=WithExamples)(command)


def _function(module: str, name: str) -> Callable[..., None]:
    found: Callable[..., None] = getattr(_module(module), name)
    return found


def _module(name: str) -> ModuleType:
    match name:
        case "audit":
            from . import audit

            return audit
        case "check":
            from . import check

            return check
        case "config":
            from . import config

            return config
        case "init":
            from . import init

            return init
        case "invitation":
            from . import invitation

            return invitation
        case "login":
            from . import login

            return login
        case "member":
            from . import member

            return member
        case "product":
            from . import product

            return product
        case "restore_check":
            from . import restore_check

            return restore_check
        case "role":
            from . import role

            return role
        case "usage":
            from . import usage

            return usage
        case "scope":
            from . import scope

            return scope
        case "service":
            from . import service

            return service
        case "serving":
            from . import serving

            return serving
        case "space":
            from . import space

            return space
        case "token":
            from . import token

            return token
        case "user":
            from . import user

            return user
        case "workspace":
            from . import workspace

            return workspace
    raise LookupError(name)


def _not_loaded() -> None:
    """Stand for a command that was not called."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"{NAME} {version(NAME)}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""
