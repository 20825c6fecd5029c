"""Credentials from a request, read before any I/O.

They come from the ``Authorization`` header (RFC 6750 §2.1; the scheme is case-insensitive, RFC 9110 §11.1) and, for
WebSockets, also from a pair of subprotocols, because browsers cannot set headers there: the client offers
``Sec-WebSocket-Protocol: spacekey.bearer, <secret>``, and may offer its own subprotocols as well. They are never read
from the query string, a form or a cookie.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.types import Scope

from spacekey.domain.secret import BEARER_SHAPE, Secret

SUBPROTOCOL = "spacekey.bearer"
"""Subprotocol that the client offers before the secret, and that the server answers with: a secret is never echoed."""

HEADER_BYTES_MAX = 16_384

# token68 of RFC 9110 §11.2: letters, then any number of '='.
_BEARER = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
_SCHEME = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: .*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Malformed:
    """Malformed credentials: the request is at fault, not a token (400 ``invalid_request``).

    :param why: the reason, for the log; holds no input.
    """

    why: str


_MALFORMED_HEADER = Malformed("the Authorization header is not 'Bearer <token>'")


def credentials_of(scope: Scope) -> Secret | Malformed | None:
    """Return the credentials of an HTTP or WebSocket request; None if it has none, or only those of another scheme."""
    found = _from_header(scope)
    if isinstance(found, Secret) and token_in_query(scope.get("query_string", b"")):
        return Malformed("a token in the header and another in the query string")
    if scope["type"] == "websocket":
        return _one_of(found, take_subprotocol_pair(scope))
    return found


def plain_authorization(scope: Scope) -> bytes | None:
    """Return the ``Authorization`` header of an HTTP request; None if there is none, or more than one.

    Also None if it is too long or if there is a token in the query string, so that the caller need not check for that.
    """
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if found is not None:
                return None
            found = value
    if found is None or len(found) > HEADER_BYTES_MAX:
        return None
    query = scope.get("query_string", b"")
    return None if query and token_in_query(query) else found


def _from_header(scope: Scope) -> Secret | Malformed | None:
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if found is not None:
                return Malformed("more than one Authorization header")
            found = value
    if found is None:
        return None
    if len(found) > HEADER_BYTES_MAX:
        return Malformed("the Authorization header is too long")
    found = found.strip(b" \t")
    bearer = _BEARER.fullmatch(found)
    if bearer is not None:
        return Secret(bearer[1].decode("ascii"))
    other = _SCHEME.fullmatch(found)
    return None if other is not None and other[1].lower() != b"bearer" else _MALFORMED_HEADER


def secret_without_scheme(scope: Scope) -> bool:
    """Return whether the ``Authorization`` header has the form of a secret, without a scheme. Nothing is looked up."""
    sent = [value for name, value in scope["headers"] if name == b"authorization"]
    return len(sent) == 1 and BEARER_SHAPE.fullmatch(b"Bearer " + sent[0].strip(b" \t")) is not None


def token_in_query(query: bytes) -> bool:
    """Return whether there is a token in the query string.

    A client must not send its token in two ways (RFC 6750 §2). A token in the query string alone is not read. The query
    string is parsed only if it may contain the name, in plain letters or percent-encoded.
    """
    if b"access_token" not in query and b"%" not in query:
        return False
    return any(name == "access_token" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def take_subprotocol_pair(scope: Scope) -> Secret | Malformed | None:
    """Remove the pair from a WebSocket's offered subprotocols and its header, and return the secret.

    The app can then neither echo nor log it.

    :returns: None if the pair was not offered.
    """
    offered: list[str] = list(scope.get("subprotocols") or ())
    if SUBPROTOCOL not in offered:
        return None
    place = offered.index(SUBPROTOCOL)
    rest = offered[:place] + offered[place + 2 :]
    scope["subprotocols"] = [] if SUBPROTOCOL in rest else rest
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"sec-websocket-protocol"]
    if scope["subprotocols"]:
        scope["headers"].append((b"sec-websocket-protocol", ", ".join(rest).encode("latin-1")))
    if SUBPROTOCOL in rest:
        return Malformed("the subprotocol pair was offered twice")
    if place + 1 == len(offered):
        return Malformed("the subprotocol pair lacks its token")
    text = offered[place + 1]
    if _BEARER.fullmatch(b"bearer " + text.encode("utf-8", "surrogatepass")) is None:
        return Malformed("the subprotocol pair's token has characters no token has")
    return Secret(text)


def _one_of(header: Secret | Malformed | None, subprotocol: Secret | Malformed | None) -> Secret | Malformed | None:
    if header is None or subprotocol is None:
        return header if subprotocol is None else subprotocol
    return Malformed("credentials in the header and in the subprotocols")
