"""Commands and options under their earlier names, which are refused with their names now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

COMMANDS: dict[str, str] = {
    "workspace plan": "workspace edit WORKSPACE --plan PLAN",
    "workspace limit": "workspace edit WORKSPACE --per-minute NUMBER --burst NUMBER, or --plan-limit",
    "workspace policy": "workspace edit WORKSPACE --lifetime-max, --lifetime-default, --expiry-required or --allow",
    "workspace rename": "workspace edit WORKSPACE --name NAME --slug SLUG",
    "member role": "member set-role ACCOUNT --role ROLE",
    "member invitations": "invitation list",
    "member withdraw": "invitation withdraw EMAIL",
    "user password": "user reset-password ACCOUNT",
    "staleness show": "config get",
    "staleness set": "config set --revocation-delay SECONDS",
    "staleness": "config",
    "scopes list": "product show PRODUCT",
    "scopes for": "scope needed QUERY.graphql",
    "scopes rename": "scope rename OLD --to NEW --product PRODUCT",
    "scopes": "scope",
    "introspector": "service create NAME --product PRODUCT",
}
"""Earlier command → how it is called now."""

OPTIONS: dict[str, tuple[str, ...]] = {
    "--catalog": ("--product",),
    "--scope": ("--grant", "--allow"),
    "-s": ("--grant", "--allow"),
}
"""Earlier option → its names now, of which a command has one at most."""


def command_now(words: Sequence[str]) -> tuple[str, str] | None:
    """Return the removed command that the words begin with, and how it is called now; None if they name none."""
    for count in (2, 1):
        called = " ".join(words[:count])
        if len(words) >= count and called in COMMANDS:
            return called, COMMANDS[called]
    return None


def option_now(words: Iterable[str], known: Iterable[str]) -> tuple[str, str] | None:
    """Return the first removed option among a command's words, and its name now; None if there is none.

    :param known: the options that the command has.
    """
    there = set(known)
    for word in words:
        if word == "--":
            return None
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        now = next((one for one in OPTIONS.get(name, ()) if one in there), None)
        if now is not None and name not in there:
            return name, now
    return None
