"""Where people come from: our own passwords, an OpenID Connect provider, a trusted proxy, or the host application.

Give one of them to :func:`spacekey.server.app.build_app`, or extend :class:`Identity` and write your own.
"""

from spacekey.resolvers.accounts.outside import Issuer, Person

from .header import TrustedHeader
from .host import HostSession
from .openid import OpenIDConnect
from .passwords import Passwords
from .protocol import Identity, SignInRejected

__all__ = [
    "HostSession",
    "Identity",
    "Issuer",
    "OpenIDConnect",
    "Passwords",
    "Person",
    "SignInRejected",
    "TrustedHeader",
]
