"""The tree of all commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from . import audit, check, introspector, member, scopes, serving, space, staleness, token, user, workspace
from ._run import MEANING, Leaf, Root

_HELP = "API tokens done right: issue, manage and check them. Settings are read from SPACEKEY_… variables."

_Commands = Mapping[str, Callable[..., None]]


def build_app() -> typer.Typer:
    """Return the command line's app. Showing its help imports nothing heavier than typer."""
    # Local variables in a traceback could hold a secret, so bugs show Python's plain one.
    app = typer.Typer(cls=Root, help=_HELP, epilog=MEANING, no_args_is_help=True, pretty_exceptions_enable=False)
    _add(app, {"serve": serving.serve, "migrate": serving.migrate, "demo": serving.demo, "check": check.check})
    _add(app, {"introspector": introspector.introspector})
    for name, (about, commands) in _groups().items():
        group = typer.Typer(help=about, no_args_is_help=True)
        _add(group, commands)
        app.add_typer(group, name=name)
    return app


def _groups() -> dict[str, tuple[str, _Commands]]:
    return {
        "workspace": (
            "Workspaces: plans, limits, suspension.",
            {
                "list": workspace.list_,
                "create": workspace.create,
                "show": workspace.show,
                "plan": workspace.plan,
                "limit": workspace.limit,
                "policy": workspace.policy,
                "suspend": workspace.suspend,
                "resume": workspace.resume,
                "delete": workspace.delete,
            },
        ),
        "space": (
            "Spaces inside a workspace.",
            {"list": space.list_, "create": space.create, "delete": space.delete},
        ),
        "member": (
            "Members of a workspace and their roles.",
            {
                "list": member.list_,
                "add": member.add,
                "role": member.role,
                "remove": member.remove,
                "invitations": member.invitations,
                "withdraw": member.withdraw,
            },
        ),
        "user": (
            "Accounts: people who can sign in.",
            {
                "list": user.list_,
                "create": user.create,
                "prove": user.prove,
                "password": user.password,
                "erase": user.erase,
            },
        ),
        "token": (
            "Tokens: issue, find, rotate, end.",
            {
                "list": token.list_,
                "inactive": token.inactive,
                "show": token.show,
                "create": token.create,
                "edit": token.edit,
                "rotate": token.rotate,
                "disable": token.disable,
                "enable": token.enable,
                "revoke": token.revoke,
                "delete": token.delete,
            },
        ),
        "staleness": (
            "T: how long a revoked token could still be served from a cache, and so how long revoking takes.",
            {"show": staleness.show, "set": staleness.change},
        ),
        "audit": (
            "The audit log: read, check, export.",
            {
                "list": audit.list_,
                "verify": audit.verify,
                "heads": audit.heads,
                "checkpoint": audit.checkpoint,
                "export": audit.export,
            },
        ),
        "scopes": (
            "A catalog's scopes, and the least an operation needs.",
            {"list": scopes.list_, "for": scopes.for_, "rename": scopes.rename},
        ),
    }


def _add(app: typer.Typer, commands: _Commands) -> None:
    for name, command in commands.items():
        app.command(name, cls=Leaf)(command)
