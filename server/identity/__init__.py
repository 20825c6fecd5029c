"""Where people come from: our own passwords, an OpenID Connect provider, a trusted proxy, or the host application.

Give one of them to :func:`spacekey.server.app.build_app`, or extend :class:`Identity` and write your own.
"""

from spacekey.resolvers.accounts.outside import Issuer, Person

from .host import HostSession
from .passwords import Passwords
from .protocol import Identity

__all__ = ["HostSession", "Identity", "Issuer", "Passwords", "Person"]
