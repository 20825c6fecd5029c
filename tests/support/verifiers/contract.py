"""What every verifier promises, whatever it asks: one suite, run over each of them.

Subclass :class:`VerifierContract` in a test module and give it a ``bench`` fixture: a :class:`Workbench` over the
verifier under test. Every test is async and uses only what the workbench offers.
"""

import secrets
from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.secret import Secret, mint
from spacekey.domain.verifier import Verifier

SECRET_PREFIX = "sk"
WORKSPACE_ID = "ws_" + "0" * 26
SPACE_ID = "space_" + "0" * 26


class Workbench(ABC):
    """A verifier, and the hands to change what it should find."""

    of: ClassVar[type[Verifier]]
    """The class under test."""

    verifier: Verifier

    tells_reasons = True
    """Whether refusals say exactly why; a remote verifier only learns that a token is not active."""

    @abstractmethod
    async def issue(self, principal: Principal) -> Secret:
        """A new token for this principal; its id may be chosen by the store, nothing else."""

    @abstractmethod
    async def refuse(self, secret: Secret, reason: Reason) -> None:
        """Take the token away, for this reason, so that the next verification sees it."""

    @abstractmethod
    def reads(self) -> int:
        """How often the store was asked so far."""

    @abstractmethod
    async def outage(self) -> None:
        """From now on the store cannot be asked, and what was remembered is too old."""


def principal(**changes: object) -> Principal:
    """A space's token with everything set."""
    usual = Principal(
        id="key_1",
        kind=Kind.SPACE,
        scopes=frozenset({"jobs:read", "jobs:ack"}),
        name="Worker",
        workspace_id=WORKSPACE_ID,
        space_id=SPACE_ID,
        environment="live",
        rate_limit=Limit(100, 20),
        expires_at=datetime(2999, 1, 1, tzinfo=UTC),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # the tests name real fields


def malformed() -> list[Secret]:
    """Strings that cannot be secrets."""
    good = mint(SECRET_PREFIX, "live", secrets.token_bytes).reveal()
    texts = ["", "x", good[:-1], good + "a", good.upper(), good[:-1] + ("0" if good[-1] != "0" else "1")]
    texts += ["sk_prod_" + good[8:], good.replace("_", "-"), good + "\n", "a" * 10_000, "ü" * 50, "\x00", "\ud800"]
    return [Secret(text) for text in texts]


class VerifierContract:
    """The promises."""

    async def test_a_good_token_is_valid_with_all_that_is_known_of_it(self, bench: Workbench) -> None:
        for wanted in (
            principal(),
            principal(kind=Kind.WORKSPACE, space_id=None),
            principal(environment="test"),
            principal(rate_limit=None, expires_at=None, scopes=frozenset(), name="Größe 1"),
        ):
            verdict = await bench.verifier.verify(await bench.issue(wanted))
            assert isinstance(verdict, Authenticated)
            assert verdict.principal.rate_limit_key == verdict.principal.id
            told = replace(verdict.principal, id="", rate_limit_key="", issuer="")
            assert told == replace(wanted, id="", rate_limit_key="")

    async def test_closing_it_twice_is_harmless(self, bench: Workbench) -> None:
        """As an app's own lifespan and the middleware may."""
        await bench.verifier.verify(await bench.issue(principal()))
        await bench.verifier.aclose()
        await bench.verifier.aclose()

    async def test_asking_again_gives_the_same_answer(self, bench: Workbench) -> None:
        secret = await bench.issue(principal())
        assert await bench.verifier.verify(secret) == await bench.verifier.verify(secret)

    async def test_tokens_are_not_mixed_up(self, bench: Workbench) -> None:
        one = await bench.issue(principal(scopes=frozenset({"jobs:read"})))
        two = await bench.issue(principal(scopes=frozenset({"jobs:create"})))
        for secret, scope in ((one, "jobs:read"), (two, "jobs:create"), (one, "jobs:read")):
            verdict = await bench.verifier.verify(secret)
            assert isinstance(verdict, Authenticated)
            assert verdict.principal.scopes == {scope}

    @pytest.mark.parametrize("text", malformed(), ids=range(len(malformed())))
    async def test_a_string_of_the_wrong_shape_is_malformed_and_costs_no_read(
        self, bench: Workbench, text: Secret
    ) -> None:
        before = bench.reads()
        assert await bench.verifier.verify(text) == Rejected(Reason.MALFORMED)
        assert bench.reads() == before

    async def test_an_unknown_secret_is_refused(self, bench: Workbench) -> None:
        assert await bench.verifier.verify(mint(SECRET_PREFIX, "live", secrets.token_bytes)) == Rejected(Reason.UNKNOWN)

    @pytest.mark.parametrize("reason", [Reason.REVOKED, Reason.DISABLED, Reason.DELETED, Reason.SUSPENDED])
    async def test_a_token_that_was_taken_away_is_refused(self, bench: Workbench, reason: Reason) -> None:
        secret = await bench.issue(principal())
        assert isinstance(await bench.verifier.verify(secret), Authenticated)
        await bench.refuse(secret, reason)
        verdict = await bench.verifier.verify(secret)
        assert isinstance(verdict, Rejected)
        assert verdict.reason is reason or not bench.tells_reasons

    async def test_an_expired_token_is_refused(self, bench: Workbench) -> None:
        secret = await bench.issue(principal(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        verdict = await bench.verifier.verify(secret)
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.EXPIRED or not bench.tells_reasons

    async def test_an_outage_is_neither_a_denial_nor_an_acceptance(self, bench: Workbench) -> None:
        known = await bench.issue(principal())
        unknown = mint(SECRET_PREFIX, "live", secrets.token_bytes)
        await bench.outage()
        for secret in (known, unknown):
            assert isinstance(await bench.verifier.verify(secret), Unavailable)
        assert await bench.verifier.verify(Secret("x")) == Rejected(Reason.MALFORMED)

    async def test_every_capability_is_answered(self, bench: Workbench) -> None:
        verifier = bench.verifier
        assert type(verifier) is bench.of
        assert isinstance(verifier, Verifier)
        assert verifier.known_scopes is None or principal().scopes <= verifier.known_scopes
        assert verifier.usage is None or callable(verifier.usage.allowed)

    async def test_memory_says_what_a_verification_says_or_nothing(self, bench: Workbench) -> None:
        verifier = bench.verifier
        good, unknown = await bench.issue(principal()), mint(SECRET_PREFIX, "live", secrets.token_bytes)
        for secret in (good, unknown, Secret("x")):
            for _ in range(2):  # before and after it could be remembered
                before = bench.reads()
                peeked = verifier.peek(secret.bearer())
                assert bench.reads() == before
                verdict = await verifier.verify(secret)
                assert peeked in (None, verdict)
        await bench.refuse(good, Reason.REVOKED)
        assert not isinstance(verifier.peek(good.bearer()), Authenticated)

    async def test_only_a_header_in_its_one_form_is_known_without_waiting(self, bench: Workbench) -> None:
        secret = await bench.issue(principal())
        await bench.verifier.verify(secret)
        header, text = secret.bearer(), secret.reveal().encode()
        for other in (
            b"",
            b"Bearer ",
            text,
            header.lower(),
            header.replace(b" ", b"  "),
            header + b" ",
            b"Basic " + text,
            b"Bearer a b",
            b"Bearer \xff",
            header + b"\x00",
            header + b", " + header,
            b"Bearer " + b"a" * 20_000,
        ):
            assert bench.verifier.peek(other) is None, other

    async def test_no_answer_shows_the_secret(self, bench: Workbench) -> None:
        secret = await bench.issue(principal())
        assert secret.reveal() not in repr(await bench.verifier.verify(secret))
        await bench.outage()
        assert secret.reveal() not in repr(await bench.verifier.verify(secret))

    async def test_many_are_answered_in_their_order_as_each_alone(self, bench: Workbench) -> None:
        verifier = bench.verifier
        good = [await bench.issue(principal(scopes=frozenset({scope}))) for scope in ("jobs:read", "jobs:create")]
        gone = await bench.issue(principal())
        await bench.refuse(gone, Reason.REVOKED)
        asked = [
            good[1],
            Secret("x"),
            gone,
            good[0],
            mint(SECRET_PREFIX, "live", secrets.token_bytes),
            good[1],
            malformed()[3],
        ]
        assert list(await verifier.verify_many([])) == []
        for _ in range(2):  # before and after they could be remembered
            verdicts = await verifier.verify_many(asked)
            assert list(verdicts) == [await verifier.verify(secret) for secret in asked]
            assert isinstance(verdicts[0], Authenticated)
        await bench.refuse(good[0], Reason.REVOKED)
        assert [isinstance(each, Authenticated) for each in await verifier.verify_many(good)] == [False, True]

    async def test_many_cost_few_reads_where_it_is_said_so(self, bench: Workbench) -> None:
        asked = [await bench.issue(principal()) for _ in range(30)]
        before = bench.reads()
        verdicts = await bench.verifier.verify_many(asked)
        assert all(isinstance(verdict, Authenticated) for verdict in verdicts)
        assert bench.verifier.batch_max == 1 or bench.reads() - before <= 1

    async def test_an_outage_is_told_of_each_of_many(self, bench: Workbench) -> None:
        known, unknown = await bench.issue(principal()), mint(SECRET_PREFIX, "live", secrets.token_bytes)
        await bench.outage()
        verdicts = await bench.verifier.verify_many([known, Secret("x"), unknown])
        assert [type(verdict) for verdict in verdicts] == [Unavailable, Rejected, Unavailable]
