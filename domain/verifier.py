"""What turns a secret into a principal."""

from typing import Protocol

from .outcome import Verdict
from .secret import Secret


class Verifier(Protocol):
    """One protocol for the embedded store, a remote Spacekey, a chain of issuers, and users' tests."""

    async def verify(self, secret: Secret) -> Verdict:
        """Say whether ``secret`` is good now, and for whom.

        Never raises for bad input and never raises for an outage: those are ``Refused`` and ``CannotTell``.
        A string of the wrong shape is ``Refused(MALFORMED)`` before any I/O.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections. A verifier is not used after that."""
        ...
