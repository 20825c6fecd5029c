"""One sign-in under way at an OpenID Connect provider, kept in a cookie of the browser that began it.

The cookie holds one random key. State, nonce and the verifier of PKCE are derived from it, so a callback that another
browser began, or that was answered already, matches nothing, and the server keeps nothing for people who never return.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

FLOW = "spacekey.sign_in_flow"
"""Key in a request's scope of the sign-in that its browser began."""

LIFETIME_SECONDS = 600
COOKIE_LENGTH_MAX = 3_500
RETURN_LENGTH_MAX = 1_000
_KEY = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_RETURN = re.compile(r"/(?![/\\])[!-\[\]-~]*", re.ASCII)
"""A path of this server: one slash, and no backslash, which browsers read as a slash."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Sign-in under way.

    :param key: 256 random bits in base64url.
    :param began: when it began, in seconds since 1970.
    :param redirect_uri: the address of the callback, as the provider knows it.
    :param return_to: the path to go to afterwards.
    :param replaces: the digest in hexadecimal of the session that the browser had; empty without one.
    """

    key: str = field(repr=False)
    began: int
    redirect_uri: str
    return_to: str
    replaces: str = ""

    @classmethod
    def begin(
        cls, entropy: Callable[[int], bytes], now: float, redirect_uri: str, return_to: str, replaces: bytes | None
    ) -> Flow:
        """Return a new sign-in. ``return_to`` is replaced by ``/`` if it leads elsewhere."""
        digest = "" if replaces is None else replaces.hex()
        return cls(_base64(entropy(32)), int(now), redirect_uri, safe_return(return_to), digest)

    @classmethod
    def parse(cls, text: str, now: float) -> Flow | None:
        """Return the sign-in that a cookie holds; None if it holds none, or one that took too long."""
        if len(text) > COOKIE_LENGTH_MAX:
            return None
        try:
            held: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            flow = cls(**held)
        except (ValueError, TypeError, RecursionError):
            return None
        texts = (flow.key, flow.redirect_uri, flow.return_to, flow.replaces)
        if not all(isinstance(one, str) for one in texts) or not isinstance(flow.began, int):
            return None
        if not _KEY.fullmatch(flow.key) or not re.fullmatch(r"(?:[0-9a-f]{64})?", flow.replaces):
            return None
        if not 0 <= now - flow.began < LIFETIME_SECONDS or safe_return(flow.return_to) != flow.return_to:
            return None
        return flow

    def cookie(self) -> str:
        """Return the cookie's value."""
        return _base64(json.dumps(asdict(self), separators=(",", ":")).encode())

    @property
    def state(self) -> str:
        """The ``state`` of the request, which the callback must bring back (RFC 6749 §10.12)."""
        return self._derived(b"state")

    @property
    def nonce(self) -> str:
        """The ``nonce`` that the ID token must contain (OpenID Connect Core §15.5.2)."""
        return self._derived(b"nonce")

    @property
    def verifier(self) -> str:
        """The ``code_verifier`` of PKCE (RFC 7636 §4.1)."""
        return self._derived(b"verifier")

    @property
    def replaced(self) -> bytes | None:
        """The digest of the session that the browser had, or None."""
        return bytes.fromhex(self.replaces) if self.replaces else None

    def _derived(self, purpose: bytes) -> str:
        return _base64(hmac.new(self.key.encode(), purpose, hashlib.sha256).digest())


def safe_return(path: str) -> str:
    """Return a path of this server, or ``/`` for anything that a browser could take for another address."""
    return path if len(path) <= RETURN_LENGTH_MAX and _RETURN.fullmatch(path) else "/"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
