"""Wrappers around verifiers, and the adapter for an object that has only ``verify``."""

from abc import abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, runtime_checkable

from spacekey.domain.authentication import Unavailable, Verdict
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.secret import Secret, secret_prefix_of
from spacekey.domain.verifier import Verifier, VerifiesSecrets
from spacekey.middleware.argument_checks import check_verifier

OPTIONAL = ("known_scopes", "usage", "key_formats", "peek", "peek_checks_form", "batch_max", "verify_many")
"""The optional members of a verifier."""


class VerifierWrapper(Verifier):
    """Base class for a verifier around another one. It forwards everything; override what the wrapper changes.

    :param inner: the wrapped verifier; an object that has only an async ``verify`` will do.
    :raises ConfigurationError: if ``inner`` is not a verifier.
    """

    def __init__(self, inner: VerifiesSecrets) -> None:
        self.inner = as_verifier(inner)
        self.known_scopes = self.inner.known_scopes
        self.usage = self.inner.usage
        self.key_formats = self.inner.key_formats
        self.peek_checks_form = self.inner.peek_checks_form
        self.batch_max = self.inner.batch_max

    async def verify(self, secret: Secret) -> Verdict:
        """Return the wrapped verifier's verdict."""
        return await self.inner.verify(secret)

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Return the wrapped verifier's verdicts."""
        return await self.inner.verify_many(secrets)

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return what the wrapped verifier knows without waiting."""
        return self.inner.peek(authorization)

    async def aclose(self) -> None:
        """Close the wrapped verifier."""
        await self.inner.aclose()


class PrefixVerifier(VerifierWrapper):
    """Base class for a verifier of the secrets with one prefix, around one for all others. Override :meth:`known`.

    :param prefix: what its secrets begin with, as :func:`~spacekey.domain.secret.secret_prefix_of` returns it.
    :param inner: the verifier for every secret that is not known here.
    """

    def __init__(self, prefix: str, inner: VerifiesSecrets) -> None:
        super().__init__(inner)
        self._prefix = prefix

    @abstractmethod
    async def known(self, digest: bytes) -> Verdict | None:
        """Return the verdict on the secret with this SHA-256, which has the prefix, or None if it is not known here.

        :raises ServiceUnavailable: if it cannot be looked up; the verdict is then :class:`Unavailable`.
        """

    async def verify(self, secret: Secret) -> Verdict:
        """Return the verdict on a secret that is known here, else the wrapped verifier's."""
        return await self._verdict(secret) or await super().verify(secret)

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Return the same for many secrets; the wrapped verifier is given those that are not known here."""
        known = [await self._verdict(secret) for secret in secrets]
        others = iter(
            await super().verify_many([one for one, here in zip(secrets, known, strict=True) if here is None])
        )
        return [next(others) if here is None else here for here in known]

    async def _verdict(self, secret: Secret) -> Verdict | None:
        if secret_prefix_of(secret) != self._prefix:
            return None
        try:
            return await self.known(secret.digest())
        except ServiceUnavailable as error:
            return Unavailable(str(error), error.retry_after_seconds)


def as_verifier(verifier: VerifiesSecrets) -> Verifier:
    """Return ``verifier`` with all members of the protocol, defaults for those that it lacks.

    :raises ConfigurationError: if it is not a verifier, or has some of the optional members without extending
        :class:`~spacekey.domain.verifier.Verifier`: a default in the place of the others would go unnoticed.
    """
    check_verifier(verifier)
    if isinstance(verifier, Verifier):
        return verifier
    offered = [name for name in OPTIONAL if name in dir(verifier)]
    if offered:
        name = type(verifier).__name__
        raise ConfigurationError(
            f"verifier={name}(…) has {', '.join(offered)} and lacks other members of the Verifier protocol: write "
            f"class {name}(Verifier), with Verifier from spacekey.domain.verifier, and it gets their defaults"
        )
    return _OnlyVerifies(verifier)


class _OnlyVerifies(Verifier):
    """The defaults of every optional member around an object that has only ``verify`` and perhaps ``aclose``."""

    def __init__(self, inner: VerifiesSecrets) -> None:
        self._inner = inner

    def verify(self, secret: Secret) -> Coroutine[Any, Any, Verdict]:
        """Return the object's own verdict."""
        return self._inner.verify(secret)

    async def aclose(self) -> None:
        """Close the object if it can be closed."""
        if isinstance(self._inner, _Closes):
            await self._inner.aclose()


@runtime_checkable
class _Closes(Protocol):
    async def aclose(self) -> None: ...
