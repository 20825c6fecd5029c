"""The protocol for objects that turn a secret into a principal, and the optional capabilities of a verifier."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable

from .outcome import Verdict
from .secret import Secret
from .usage import UsageCounter


@runtime_checkable
class VerifiesSecrets(Protocol):
    """The least that a verifier can be: any object with an async ``verify``."""

    @abstractmethod
    async def verify(self, secret: Secret) -> Verdict:
        """Return whether ``secret`` is valid now, and for which principal.

        Never raises for bad input or for an outage: those are ``Refused`` and ``CannotTell``. A string of the wrong
        shape is ``Refused(MALFORMED)`` before any I/O.
        """
        ...


@runtime_checkable
class Verifier(VerifiesSecrets, Protocol):
    """Verifier with everything it may offer: the embedded store, a remote Spacekey, a chain of issuers, your own.

    Extend it and write ``verify``; each other member has a default that claims nothing. A class that wraps another
    verifier extends :class:`spacekey.middleware.verifiers.wrapper.VerifierWrapper`, which forwards all of them.
    """

    known_scopes: frozenset[str] | None = None
    """Every scope that a principal of this verifier can hold, or None if that is unknown.

    ``TokenMiddleware`` refuses to start with a rule that names any other scope."""

    usage: UsageCounter | None = None
    """Counter for requests with this verifier's tokens, or None if it counts none."""

    peek_checks_form: bool = False
    """Whether :meth:`peek` itself answers None to every header in another form, as a cache by the header's digest does.

    Otherwise ``TokenMiddleware`` checks the form of a header before it asks."""

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return the verdict if it is known without waiting, as ``verify`` would give it now; else None.

        Answer only if ``authorization`` is exactly :meth:`Secret.bearer() <spacekey.domain.secret.Secret.bearer>` of a
        secret with the right shape. Headers in any other form are taken apart by the middleware and go to ``verify``.

        :param authorization: the value of an ``Authorization`` header.
        """
        return None

    async def aclose(self) -> None:
        """Close connections. A verifier is not used after that."""
        return
