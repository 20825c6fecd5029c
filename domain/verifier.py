"""The protocol for objects that turn a secret into a principal, and the optional capabilities of a verifier."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from .authentication import Verdict
from .key_format import NO_KEY_FORMATS, KeyFormats
from .secret import Secret
from .usage import UsageCounter

TIMEOUT_SECONDS = 2.0
"""How long one verification may take, unless an app says otherwise. After that it is ``Unavailable``."""

CONCURRENT_MAX = 32
"""How many verifications a verifier without batches runs at the same time for one call of ``verify_many``."""


@runtime_checkable
class VerifiesSecrets(Protocol):
    """The least that a verifier can be: any object with an async ``verify``."""

    @abstractmethod
    async def verify(self, secret: Secret) -> Verdict:
        """Return whether ``secret`` is valid now, and for which principal.

        Never raises for bad input or for an outage: those are ``Rejected`` and ``Unavailable``. A string of the wrong
        shape is ``Rejected(MALFORMED)`` before any I/O.
        """
        ...


@runtime_checkable
class Verifier(VerifiesSecrets, Protocol):
    """Verifier with everything it may offer: on a database, over HTTP, a chain of several, your own.

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

    key_formats: KeyFormats = NO_KEY_FORMATS
    """Formats of imported keys that it knows besides Spacekey's own secrets."""

    batch_max: int = 1
    """How many secrets are best given to one call of :meth:`verify_many`; 1 if that calls :meth:`verify` for each."""

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Return the verdict on each secret, in their order, as :meth:`verify` would give it.

        An outage of one verdict is no outage of the others. A verifier that can ask for many at once does, for at most
        ``batch_max`` secrets; it may return the same object as before for a principal that has not changed.
        """
        verdicts: list[Verdict] = []
        for first in range(0, len(secrets), CONCURRENT_MAX):
            verdicts += await asyncio.gather(*map(self.verify, secrets[first : first + CONCURRENT_MAX]))
        return verdicts

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
