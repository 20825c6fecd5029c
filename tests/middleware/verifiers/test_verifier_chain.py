"""A chain of issuers: a secret is shown to one of them only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Verdict
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.verifiers import MemoryVerifier, VerifierChain


async def test_a_chain_shows_a_secret_to_one_verifier_only() -> None:
    one, two, old = MemoryVerifier("sp"), MemoryVerifier("em"), Old()
    chain = VerifierChain({"sp": one, "em": two}, otherwise=old)
    spooled, emit = one.issue("a"), two.issue("b")
    third = MemoryVerifier("gg").issue("c")
    legacy = Secret("legacy-token")
    assert isinstance(await chain.verify(spooled), Authenticated)
    assert isinstance(await chain.verify(emit), Authenticated)
    assert old.seen == []
    for secret in (third, legacy, Secret("sp_old_shape")):
        assert await chain.verify(secret) == Authenticated(replace(OLD, issuer="*"))
    assert old.seen == [third, legacy, Secret("sp_old_shape")]


async def test_a_chain_without_otherwise_refuses_strangers() -> None:
    chain = VerifierChain({"sp": MemoryVerifier("sp")})
    assert await chain.verify(Secret("legacy-token")) == Rejected(Reason.MALFORMED)
    assert await chain.verify(MemoryVerifier("gg").issue("c")) == Rejected(Reason.UNKNOWN)
    assert chain.peek(Secret("legacy-token").bearer()) is None


async def test_a_chain_closes_everyone_even_when_one_fails() -> None:
    first, last = Old(fails=True), Old()
    with pytest.raises(ExceptionGroup):
        await VerifierChain({"sp": first, "em": first}, otherwise=last).aclose()
    assert (first.closed, last.closed) == (1, 1)


def test_a_prefix_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        VerifierChain({"SP_": MemoryVerifier()})


OLD = Principal("old", Kind.MEMBER, frozenset({"a"}))


class Old:
    """Somebody's own older authentication."""

    def __init__(self, fails: bool = False) -> None:
        self.seen: list[Secret] = []
        self.closed = 0
        self._fails = fails

    async def verify(self, secret: Secret) -> Verdict:
        """Takes everything."""
        self.seen.append(secret)
        return Authenticated(OLD)

    async def aclose(self) -> None:
        """May fail."""
        self.closed += 1
        if self._fails:
            raise RuntimeError("broken")
