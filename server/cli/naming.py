"""Refused input, named as it was typed: a resolver's ``slug`` is ``SLUG`` in one command, ``--slug`` in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand

from spacekey.domain.refusal import InvalidInput

from .codes import Failure

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
