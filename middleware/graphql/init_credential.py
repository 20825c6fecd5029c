"""The credential in the payload of ``connection_init``: a browser's WebSocket cannot send an Authorization header."""

from collections.abc import Mapping

from spacekey.domain.secret import SECRET_LENGTH_MAX, Secret


class MalformedCredential(ValueError):
    """The payload has an authorization that is not one ``Bearer`` credential."""


def init_credential(payload: Mapping[str, object]) -> Secret | None:
    """The secret of ``{"Authorization": "Bearer …"}``; the name and the scheme in any case (RFC 9110 §11.1).

    :returns: None when the payload has no authorization.
    :raises MalformedCredential: for two of them, another scheme, or anything but one word after it.
    """
    values = [value for name, value in payload.items() if name.lower() == "authorization"]
    if not values:
        return None
    if len(values) > 1 or not isinstance(values[0], str):
        raise MalformedCredential
    scheme, _, word = values[0].partition(" ")
    if scheme.lower() != "bearer" or not word.isascii() or not word.isprintable() or not word or " " in word:
        raise MalformedCredential
    if len(word) > 10 * SECRET_LENGTH_MAX:
        raise MalformedCredential
    return Secret(word)
