"""Origin check: credentials that browsers attach by themselves count only for pages of allowed origins.

A browser sends cookies, Basic and Negotiate credentials with requests that any page makes (cross-site request forgery).
So if an app reads tokens from a cookie, or its ``fallback_authenticator`` accepts a request, and the request may change
something, it must come from the app's own origin or an allowed one: by ``Sec-Fetch-Site`` (W3C, Fetch Metadata Request
Headers §2.4), else by ``Origin`` (RFC 6454 §7; OWASP, Cross-Site Request Forgery Prevention). Every WebSocket may
change something, and browsers let any page open one (RFC 6455 §10.2). A token in a header is attached only by the
page's own code and needs no check.
"""

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from starlette.types import Scope

from spacekey.domain.errors import ConfigurationError

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods that change nothing (RFC 9110 §9.2.1), as long as the app keeps to that."""

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class OriginCheck:
    """Decides whether a request may act with credentials that a browser attached.

    :param allowed: other origins whose pages may, such as ``https://app.example.com``.
    :param own: the app's own origin as browsers know it; None takes each request's ``Host``.
    :raises ConfigurationError: for a value that is not an origin.
    """

    def __init__(self, allowed: Collection[str] = (), *, own: str | None = None) -> None:
        self._allowed = checked_origins(allowed)
        self._own = None if own is None else checked_origins((own,))

    def passes(self, scope: Scope) -> bool:
        """Return whether the request changes nothing or comes from an allowed page. Returns at once, never raises."""
        return not may_change(scope) or self.is_allowed(scope)

    def is_allowed(self, scope: Scope) -> bool:
        """Return whether the request comes from a page of the app's own origin or an allowed one."""
        origins = _values(scope, b"origin")
        if len(origins) > 1:
            return False
        origin = origins[0].lower() if origins else None
        if origin in self._allowed:
            return True
        fetch_site = _values(scope, b"sec-fetch-site")
        if fetch_site:
            return fetch_site == ["same-origin"]
        if origin is None:
            return False
        return origin in self._own if self._own is not None else _is_of_host(origin, scope)


def may_change(scope: Scope) -> bool:
    """Return whether the request may change something: every WebSocket may."""
    return scope["type"] != "http" or scope["method"] not in SAFE_METHODS


def may_be_of_browser(scope: Scope) -> bool:
    """Return whether a browser may have attached credentials by itself, for the page that makes the request.

    It then says where the page is from: each browser sends ``Origin`` with a request that may change something.
    """
    has_origin = has_attached = False
    for name, value in scope["headers"]:
        has_origin = has_origin or name in (b"origin", b"sec-fetch-site")
        has_attached = (
            has_attached
            or name == b"cookie"
            or (name == b"authorization" and not value.lstrip(b" \t")[:7].lower().startswith(b"bearer "))
        )
    return has_origin and has_attached


def checked_origins(origins: Iterable[str]) -> frozenset[str]:
    """Return the origins in lower case.

    :raises ConfigurationError: for one string instead of several, and for a value that is not ``scheme://host[:port]``.
    """
    if isinstance(origins, str):
        raise ConfigurationError(f"allowed_origins={origins!r}: write a list, [{origins!r}]")
    return frozenset(_checked(origin) for origin in origins)


def _checked(origin: object) -> str:
    text = origin.lower() if isinstance(origin, str) else ""
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in _DEFAULT_PORTS or text != f"{parts.scheme}://{parts.netloc}" or "@" in text:
        raise ConfigurationError(
            f"allowed_origins: {origin!r:.80} is not an origin: write scheme, host and port alone, such as "
            "'https://app.example.com'. allowed_origins=None turns the check off, for an authenticator that reads "
            "nothing that browsers send by themselves"
        )
    return _without_default_port(text)


def _is_of_host(origin: str, scope: Scope) -> bool:
    """Return whether an origin is the host that the request was sent to.

    A request over TLS can only come from a page over TLS. The reverse does not hold: behind a proxy, this side may use
    plain HTTP where the browser does not.
    """
    hosts = _values(scope, b"host")
    try:
        parts = urlsplit(origin)
        scheme, authority = parts.scheme, parts.netloc
    except ValueError:
        return False
    if len(hosts) != 1 or not authority or scheme not in _DEFAULT_PORTS or origin != f"{scheme}://{authority}":
        return False
    if scope.get("scheme") in ("https", "wss") and scheme != "https":
        return False
    return _without_default_port(origin) == _without_default_port(f"{scheme}://{hosts[0].lower()}")


def _without_default_port(origin: str) -> str:
    return origin.removesuffix(_DEFAULT_PORTS[origin.partition(":")[0]])


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
