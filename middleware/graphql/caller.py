"""Who asks: by default the principal that the token middleware left on the connection."""

from collections.abc import Mapping

from spacekey.domain.principal import Principal


def caller_of(context: object) -> Principal | None:
    """The principal in ``scope["user"]`` of the request or WebSocket in a Strawberry context.

    :param context: a mapping with ``request`` (Strawberry's ASGI and FastAPI views), or an object with that attribute.
    :returns: None for anybody who is not a :class:`Principal`, whatever it claims about itself.
    """
    connection = context.get("request") if isinstance(context, Mapping) else getattr(context, "request", None)
    scope = getattr(connection, "scope", None)
    user = scope.get("user") if isinstance(scope, Mapping) else None
    return user if isinstance(user, Principal) else None
