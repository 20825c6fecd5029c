"""The protocol for whatever turns a secret into a principal, and the optional capabilities of a verifier."""

from abc import abstractmethod
from collections.abc import MutableMapping
from typing import Any, Protocol, runtime_checkable

from .outcome import Valid, Verdict
from .secret import Secret
from .usage import UsageCounter


@runtime_checkable
class VerifiesSecrets(Protocol):
    """The least a verifier can be: any object with an async ``verify``."""

    @abstractmethod
    async def verify(self, secret: Secret) -> Verdict:
        """Return whether ``secret`` is good now, and for whom.

        Never raises for bad input and never raises for an outage: those are ``Refused`` and ``CannotTell``.
        A string of the wrong shape is ``Refused(MALFORMED)`` before any I/O.
        """
        ...


class Recalled(Protocol):
    """A valid verdict from memory, with what goes into the ASGI scope for it."""

    @property
    def verdict(self) -> Valid:
        """The verdict."""
        ...

    @property
    def credentials(self) -> Any:
        """The value of ``scope["auth"]``."""
        ...


@runtime_checkable
class Verifier(VerifiesSecrets, Protocol):
    """A verifier with everything it may offer: the embedded store, a remote Spacekey, a chain of issuers, your own.

    Extend it and write ``verify``; each other member has a default that claims nothing. A class that wraps another
    verifier extends :class:`spacekey.middleware.wrapper.VerifierWrapper`, which forwards all of them.
    """

    known_scopes: frozenset[str] | None = None
    """Every scope that a principal of this verifier can hold, or None if that is unknown. ``TokenMiddleware`` refuses
    to start with a rule that names any other scope."""

    usage: UsageCounter | None = None
    """The counter for requests with this verifier's tokens, or None if it counts none."""

    def peek(self, secret: Secret) -> Verdict | None:
        """Return the verdict if it is known without waiting, as ``verify`` would give it now; else None."""
        return None

    def recall(self, scope: MutableMapping[str, Any]) -> Recalled | None:
        """Return a valid verdict from memory for the token of an HTTP request, as ``verify`` would give it now.

        Answers only for a request with exactly one ``Authorization`` header, which is ``Bearer``, one space and a
        secret of the right shape, and with no ``access_token`` in its query; else None.

        :param scope: the request's ASGI scope.
        """
        return None

    async def aclose(self) -> None:
        """Give back connections. A verifier is not used after that."""
        return
