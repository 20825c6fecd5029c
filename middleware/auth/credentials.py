"""Credentials from a request, read before any I/O.

By default they come from the ``Authorization`` header (RFC 6750 §2.1; the scheme is case-insensitive, RFC 9110 §11.1).
An app may name other sources, as :class:`Credentials`: headers that hold the token alone, and cookies. A request has
one token from one source; if there are two, it is refused, because it cannot be known which one was meant.

For WebSockets there is also a pair of subprotocols, because browsers cannot set headers there: the client offers
``Sec-WebSocket-Protocol: spacekey.bearer, <secret>``, and may offer its own subprotocols as well.

Tokens are never read from a query string or a form.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias
from urllib.parse import parse_qsl

from starlette.types import Scope

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import BEARER_SHAPE, Secret

from .origin import may_change

SUBPROTOCOL = "spacekey.bearer"
"""Subprotocol that the client offers before the secret, and that the server answers with: a secret is never echoed."""

HEADER_BYTES_MAX = 16_384

# token68 of RFC 9110 §11.2: letters, then any number of '='.
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
_BEARER = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
_SCHEME = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: .*)?", re.DOTALL)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Malformed:
    """Malformed credentials: the request is at fault, not a token (400 ``invalid_request``).

    :param why: the reason, for the log; holds no input.
    """

    why: str


class AttachedSecret(Secret):
    """Secret of a cookie, which browsers attach to requests by themselves, whichever page makes them."""

    __slots__ = ()


Sent: TypeAlias = Secret | Malformed | None
"""Credentials of a request; None if it has none, or only those of another scheme."""

_MALFORMED_HEADER = Malformed("the Authorization header is not 'Bearer <token>'")


@dataclass(frozen=True, slots=True)
class Bearer:
    """Source of tokens: the ``Authorization`` header; see :func:`bearer`."""

    place: ClassVar[str] = "the Authorization header"
    written: ClassVar[str] = "as 'Authorization: Bearer <token>'"
    vary: ClassVar[str] = "Authorization"

    def read(self, scope: Scope) -> Sent:
        """Return the credentials that the request has here."""
        return _from_header(scope)


@dataclass(frozen=True, slots=True)
class Header:
    """Source of tokens: a header that holds a token alone; see :func:`header`."""

    name: str

    @property
    def place(self) -> str:
        """Where it is, as a phrase."""
        return f"the {self.name} header"

    @property
    def written(self) -> str:
        """How a token is sent there, as a phrase."""
        return f"in {self.place}"

    @property
    def vary(self) -> str:
        """The header that is read."""
        return self.name

    def read(self, scope: Scope) -> Sent:
        """Return the credentials that the request has here."""
        wanted, found = self.name.lower().encode(), None
        for name, value in scope["headers"]:
            if name == wanted:
                if found is not None:
                    return Malformed(f"more than one {self.name} header")
                found = value.strip(b" \t")
        if found is None:
            return None
        if len(found) > HEADER_BYTES_MAX or _TOKEN.fullmatch(found) is None:
            return Malformed(f"the {self.name} header is not a token")
        return Secret(found.decode("ascii"))


@dataclass(frozen=True, slots=True)
class Cookie:
    """Source of tokens: a cookie; see :func:`cookie`."""

    name: str
    vary: ClassVar[str] = "Cookie"

    @property
    def place(self) -> str:
        """Where it is, as a phrase."""
        return f"the cookie {self.name}"

    @property
    def written(self) -> str:
        """How a token is sent there, as a phrase."""
        return f"in {self.place}"

    def read(self, scope: Scope) -> Sent:
        """Return the credentials that the request has here. An empty cookie is none: that is how pages clear one."""
        wanted, found = self.name.encode(), None
        for header, line in scope["headers"]:
            if header != b"cookie" or wanted not in line:
                continue
            for pair in line.split(b";"):  # HTTP/2 may send a line for each (RFC 9113 §8.2.3)
                name, _, value = pair.partition(b"=")
                if name.strip(b" \t") == wanted:
                    if found is not None:
                        return Malformed(f"more than one cookie {self.name}")
                    found = _unquoted(value.strip(b" \t"))
        if not found:
            return None
        if len(found) > HEADER_BYTES_MAX or _TOKEN.fullmatch(found) is None:
            return Malformed(f"the cookie {self.name} is not a token")
        return AttachedSecret(found.decode("ascii"))


Source: TypeAlias = Bearer | Header | Cookie
"""Where a request may have a token."""


def bearer() -> Bearer:
    """Read tokens from ``Authorization: Bearer …``, which is what an app does that names no sources."""
    return Bearer()


def header(name: str) -> Header:
    """Read tokens from a header that holds a token alone, such as ``X-API-Key: …``.

    :param name: the header's name; its case does not matter.
    :raises ConfigurationError: for a name that a header cannot have, or that of a header with a form of its own.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ConfigurationError(f"header({name!r:.60}): write a header's name, such as header('X-API-Key')")
    instead = _OTHER_FORMS.get(name.lower())
    if instead is not None:
        raise ConfigurationError(f"header({name!r}): {instead}")
    return Header(name)


def cookie(name: str) -> Cookie:
    """Read tokens from a cookie, such as ``Cookie: api_key=…``.

    Browsers attach a cookie to requests that any page makes. So a token in one may change something (every method but
    GET, HEAD and OPTIONS, and every WebSocket) only if the request comes from the app's own origin, or from one of
    ``allowed_origins``; else the answer is 403 ``cross_origin``.

    :param name: the cookie's name, whose case matters. Browsers let other hosts of the domain set no cookie whose name
        begins with ``__Host-``.
    :raises ConfigurationError: for a name that a cookie cannot have.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ConfigurationError(f"cookie({name!r:.60}): write a cookie's name, such as cookie('api_key')")
    return Cookie(name)


_OTHER_FORMS = {
    "authorization": "it has a scheme before the token; write bearer()",
    "proxy-authorization": "it is for proxies; write bearer(), or another header",
    "cookie": "it holds several cookies; write cookie('api_key')",
    "sec-websocket-protocol": "it is read for WebSockets without being named",
}


class Credentials:
    """Sources from which an app reads the token of a request.

    :param sources: :func:`bearer`, :func:`header` and :func:`cookie`.
    :raises ConfigurationError: for no source, the same one twice, or anything else, such as a part of the query string.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = _checked(sources)
        self.is_bearer_alone = self.sources == (Bearer(),)
        self.has_cookies = any(isinstance(one, Cookie) for one in self.sources)
        self.takes_subprotocols = not all(isinstance(one, Cookie) for one in self.sources)
        """Whether WebSockets may have the token in a pair of subprotocols, in the place of a header."""
        self.places = _either([one.place for one in self.sources])
        """Where tokens are read, as a phrase."""
        self.how = _either([one.written for one in self.sources])
        """How a client sends its token, as a phrase."""
        self.challenge_scheme = "Bearer" if Bearer() in self.sources else "ApiKey"
        names = [one.vary for one in self.sources]
        self.vary = _vary(names)
        """``Vary`` of a response that depends on a token, or on its absence."""
        self.vary_with_fallback = _vary([*names, "Authorization", "Cookie"])
        """For a response that also depends on the app's ``fallback_authenticator``."""
        self.vary_with_origin = _vary([*names, "Authorization", "Cookie", "Origin", "Sec-Fetch-Site"])
        """For a response that also depends on an allowed origin."""

    def read(self, scope: Scope) -> Sent:
        """Return the credentials of an HTTP or WebSocket request, from whichever source has some.

        A WebSocket's pair of subprotocols is taken out of its scope, so that the app can neither echo nor log it.
        """
        found = [sent for each in self.sources if (sent := each.read(scope)) is not None]
        if self.takes_subprotocols and scope["type"] == "websocket":
            pair = take_subprotocol_pair(scope)
            found += [] if pair is None else [pair]
        if len(found) > 1:
            return Malformed("credentials in more than one place")
        if found and isinstance(found[0], Secret) and token_in_query(scope.get("query_string", b"")):
            return Malformed("a token besides the one in the query string")
        return found[0] if found else None

    def plain(self, scope: Scope) -> bytes | None:
        """Return the token of an HTTP request in the form of an ``Authorization`` header, for :meth:`Verifier.peek`.

        :returns: None if there is not exactly one token, or if it may act only after a check of the request's origin.
        """
        sent = self.read(scope)
        if not isinstance(sent, Secret) or (isinstance(sent, AttachedSecret) and may_change(scope)):
            return None
        return sent.bearer()


def _checked(sources: object) -> tuple[Source, ...]:
    if not isinstance(sources, Sequence) or isinstance(sources, str | bytes) or not sources:
        raise ConfigurationError(
            f"credentials={sources!r:.60}: write a list, such as [bearer(), header('X-API-Key')]; leave it out to read "
            "the Authorization header alone"
        )
    for each in sources:
        if not isinstance(each, Bearer | Header | Cookie):
            raise ConfigurationError(
                f"credentials: {each!r:.60} is no source; write bearer(), header('X-API-Key') or cookie('api_key'). "
                "A token is never read from a query string, which ends up in logs and histories"
            )
    read = [each.vary.lower() if isinstance(each, Header) else each for each in sources]
    if len(set(read)) < len(read):
        raise ConfigurationError("credentials: one source is named twice; name each once")
    return tuple(sources)


def _either(phrases: Sequence[str]) -> str:
    return " or ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)


def _vary(names: Sequence[str]) -> tuple[bytes, bytes]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.lower(), name)
    return b"vary", ", ".join(first.values()).encode()


def _unquoted(value: bytes) -> bytes:
    """Return a cookie's value without the quotes that may stand around it (RFC 6265 §4.1.1)."""
    return value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value


BEARER_ALONE = Credentials((Bearer(),))
"""The sources of an app that names none."""


def credentials_of(scope: Scope) -> Sent:
    """Return the credentials of an HTTP or WebSocket request of an app that names no sources."""
    return BEARER_ALONE.read(scope)


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


def _from_header(scope: Scope) -> Sent:
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


def has_bearer(scope: Scope) -> bool:
    """Return whether the ``Authorization`` header is a Bearer token, read or not."""
    return isinstance(_from_header(scope), Secret)


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


def take_subprotocol_pair(scope: Scope) -> Sent:
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
