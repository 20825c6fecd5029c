"""Who asks: by default the principal that the token middleware left on the connection."""

from collections.abc import Mapping
from typing import Any

from spacekey.domain.principal import Principal
from spacekey.middleware.visit import KEY, Visit


def caller_of(context: object) -> Principal | None:
    """The principal in ``scope["user"]`` of the request or WebSocket in a Strawberry context.

    :param context: a mapping with ``request`` (Strawberry's ASGI and FastAPI views), or an object with that attribute.
    :returns: None for anybody who is not a :class:`Principal`, whatever it claims about itself.
    """
    user = _scope_of(context).get("user")
    return user if isinstance(user, Principal) else None


def visit_of_context(context: object) -> Visit | None:
    """What the token middleware knows of that request or WebSocket; None where it does not stand before the schema."""
    visit = _scope_of(context).get(KEY)
    return visit if isinstance(visit, Visit) else None


def _scope_of(context: object) -> Mapping[str, Any]:
    connection = context.get("request") if isinstance(context, Mapping) else getattr(context, "request", None)
    scope = getattr(connection, "scope", None)
    return scope if isinstance(scope, Mapping) else {}
