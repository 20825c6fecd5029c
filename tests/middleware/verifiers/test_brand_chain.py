"""A chain of issuers: a secret is shown to one of them only."""

from __future__ import annotations

import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.outcome import Reason, Refused, Valid, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware import BrandChain, MemoryVerifier


async def test_a_chain_shows_a_secret_to_one_verifier_only() -> None:
    one, two, old = MemoryVerifier("sp"), MemoryVerifier("em"), Old()
    chain = BrandChain({"sp": one, "em": two}, otherwise=old)
    spooled, emit = one.issue("a"), two.issue("b")
    third = MemoryVerifier("gg").issue("c")
    legacy = Secret("legacy-token")
    assert isinstance(await chain.verify(spooled), Valid)
    assert isinstance(await chain.verify(emit), Valid)
    assert old.seen == []
    for secret in (third, legacy, Secret("sp_old_shape")):
        assert await chain.verify(secret) == Valid(OLD)
    assert old.seen == [third, legacy, Secret("sp_old_shape")]


async def test_a_chain_without_otherwise_refuses_strangers() -> None:
    chain = BrandChain({"sp": MemoryVerifier("sp")})
    assert await chain.verify(Secret("legacy-token")) == Refused(Reason.MALFORMED)
    assert await chain.verify(MemoryVerifier("gg").issue("c")) == Refused(Reason.UNKNOWN)
    assert chain.peek(Secret("legacy-token").bearer()) is None


async def test_a_chain_closes_everyone_even_when_one_fails() -> None:
    first, last = Old(fails=True), Old()
    with pytest.raises(ExceptionGroup):
        await BrandChain({"sp": first, "em": first}, otherwise=last).aclose()
    assert (first.closed, last.closed) == (1, 1)


def test_a_brand_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        BrandChain({"SP_": MemoryVerifier()})


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
        return Valid(OLD)

    async def aclose(self) -> None:
        """May fail."""
        self.closed += 1
        if self._fails:
            raise RuntimeError("broken")
