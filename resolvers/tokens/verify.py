"""The database verifier: from a secret to a verdict by one indexed read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable, Verdict
from spacekey.domain.clock import WallClock
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.key_format import KeyFormats
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.product import Policy, Product, effective_scopes
from spacekey.domain.secret import Secret, parse, secret_prefix_of
from spacekey.domain.token_state import refusal_reason
from spacekey.domain.verifier import Verifier
from spacekey.models.lookup.facts import BATCH_MAX, FIRST_MOMENT, NO_MOMENTS, WORKSPACE_FACTS, TokenFacts, TokenLookup
from spacekey.resolvers.access.entitlements import limit_of, roles_from

NO_DIGEST = bytes(32)
AT_ONCE_MAX = 50
"""After this many verdicts of a batch, other tasks get a turn of the event loop."""
POWERS_MAX = 4_096
"""Maximum number of cached results for combinations of grants, roles, plan, policy and limit."""


class StoreReading(NamedTuple):
    """Verdict with what the store said about it.

    :param max_age_seconds: how long the verdict may be relied on, from before the read; 0 means only now.
    :param first_use_due: whether the token is valid and its first use, which ends its predecessor, is still to be
        recorded once every check has accepted it (:meth:`LookupVerifier.accept`).
    :param facts: the row that the verdict was made from; None if the secret belongs to no token.
    """

    verdict: Verdict
    max_age_seconds: float = 0.0
    first_use_due: bool = False
    facts: TokenFacts | None = None


class LookupVerifier(Verifier):
    """Verifier that reads the store at every verification.

    :param default_staleness_seconds: T if the database holds none.
    :param first_use: called with the id of a successor whose first use ends its predecessor, before it is accepted.
    """

    def __init__(
        self,
        lookup: TokenLookup,
        products: Mapping[str, Product],
        clock: WallClock,
        first_use: Callable[[str], Awaitable[None]],
        default_staleness_seconds: float = 0.0,
    ) -> None:
        self._lookup = lookup
        self._products = products
        self._clock = clock
        self._first_use = first_use
        self._default_staleness = default_staleness_seconds
        self.batch_max = BATCH_MAX - 1
        self._secret_prefixes = frozenset(product.secret_prefix for product in products.values())
        self.key_formats = key_formats_of(products)
        self.known_scopes = frozenset[str]().union(*(product.known_scopes for product in products.values()))
        # Keyed by the stored values themselves, so that an entry can never be stale.
        self._powers = lru_cache(POWERS_MAX)(self._computed)

    async def verify(self, secret: Secret) -> Verdict:
        """Return the verdict on the secret now. See :class:`spacekey.domain.verifier.Verifier`."""
        return (await self.use(secret)).verdict

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Return the verdict on each secret, from one statement."""
        return [reading.verdict for reading in await self.use_many(secrets)]

    async def use(self, secret: Secret, *environments: str | None) -> StoreReading:
        """Read the verdict, and record the first use of an accepted token, which may end its predecessor.

        :param environments: the token must be of each of these; None stands for any.
        """
        reading = await self.read(secret)
        if reading.first_use_due and isinstance(reading.verdict, Authenticated):
            environment = reading.verdict.principal.environment
            if all(one is None or one == environment for one in environments):
                return await self.accept(reading)
        return reading

    async def use_many(self, secrets: Sequence[Secret], *environments: str | None) -> list[StoreReading]:
        """Read many verdicts at once, and record first uses, as :meth:`use` does."""
        readings = await self.read_many(secrets)
        for place, reading in enumerate(readings):
            if reading.first_use_due and isinstance(reading.verdict, Authenticated):
                environment = reading.verdict.principal.environment
                if all(one is None or one == environment for one in environments):
                    readings[place] = await self.accept(reading)
        return readings

    async def read(self, secret: Secret) -> StoreReading:
        """Read the verdict and T: how many seconds it may be relied on, counted from before this call.

        Both come from one statement, so that T cannot be newer than the verdict. Nothing is written.
        """
        digest = secret.digest() if self._may_be_ours(secret) else self.key_formats.digest(secret)
        if digest is None:
            return StoreReading(Rejected(Reason.MALFORMED))
        try:
            facts = await self._lookup.by_digest(digest)
        except ServiceUnavailable as error:
            return StoreReading(Unavailable(str(error), error.retry_after_seconds))
        return self._reading_of(secret, facts)

    async def read_many(self, secrets: Sequence[Secret]) -> list[StoreReading]:
        """Read the verdicts on many secrets, in order, as :meth:`read` would, from one statement.

        :param secrets: at most :data:`spacekey.models.lookup.facts.BATCH_MAX`.
        """
        digests: list[bytes | None] = []
        for number, secret in enumerate(secrets, 1):
            digests.append(secret.digest() if self._may_be_ours(secret) else self.key_formats.digest(secret))
            if number % AT_ONCE_MAX == 0:
                await asyncio.sleep(0)
        known = list(dict.fromkeys(digest for digest in digests if digest is not None))
        try:
            found = await self._lookup.by_digests(known) if known else {}
        except ServiceUnavailable as error:
            cannot_tell = StoreReading(Unavailable(str(error), error.retry_after_seconds))
            malformed = StoreReading(Rejected(Reason.MALFORMED))
            return [malformed if digest is None else cannot_tell for digest in digests]
        readings = []
        for number, (secret, digest) in enumerate(zip(secrets, digests, strict=True), 1):
            if digest is None:
                readings.append(StoreReading(Rejected(Reason.MALFORMED)))
            else:
                readings.append(self._reading_of(secret, found.get(digest)))
            if number % AT_ONCE_MAX == 0:
                await asyncio.sleep(0)
        return readings

    def _may_be_ours(self, secret: Secret) -> bool:
        """Return whether the store has to be asked about one of Spacekey's own secrets.

        It has to be for a secret prefix that no loaded product has, too: the store may know the token, and only its
        product be missing.
        """
        return secret_prefix_of(secret) in self._secret_prefixes or parse(secret) is not None

    def _reading_of(self, secret: Secret, facts: TokenFacts | None) -> StoreReading:
        if facts is None:
            if parse(secret) is None and self.key_formats.match(secret) is None:
                return StoreReading(Rejected(Reason.MALFORMED))
            return StoreReading(Rejected(Reason.UNKNOWN), self._default_staleness)
        verdict = self.judge(facts)
        due = facts.first_use_retires and not facts.first_used and isinstance(verdict, Authenticated)
        staleness = facts.max_staleness_seconds
        return StoreReading(verdict, self._default_staleness if staleness is None else staleness, due, facts)

    async def accept(self, reading: StoreReading) -> StoreReading:
        """Record the first use of a token that every check has accepted, if one is due.

        :returns: the reading, or "cannot tell" if the use could not be recorded.
        """
        if reading.first_use_due and isinstance(reading.verdict, Authenticated):
            try:
                await self._first_use(reading.verdict.principal.id)
            except ServiceUnavailable as error:
                return StoreReading(Unavailable(str(error), error.retry_after_seconds))
        return reading

    def judge(self, facts: TokenFacts) -> Verdict:
        """Return the verdict on a token with these facts, now."""
        ends_at = None
        if facts[FIRST_MOMENT:] != NO_MOMENTS:
            reason = self._refusal_reason(facts)
            if reason is not None:
                return Rejected(reason, facts.id)
            # A rotation's end counts as an expiry: a cache of the principal must see it coming.
            ends_at = _earlier(facts.expires_at, facts.retires_at)
        powers = self._powers(facts.kind, facts.grants_json, facts[WORKSPACE_FACTS])
        if powers is None:
            return Unavailable(f"the product '{facts.product}' is not loaded here")
        return Authenticated(
            Principal(  # positional, which costs half as much as keywords
                facts.id,
                powers.kind,
                powers.scopes,
                facts.name,
                facts.workspace_id,
                facts.space_id,
                facts.environment,
                powers.limit,
                ends_at,
                facts.chain_id or "",
                "",
                facts.external_id,
                facts.metadata_json,
            )
        )

    async def ping(self) -> None:
        """Look up a digest that no secret has, over the connection that verifications use.

        :raises ServiceUnavailable: if the database is unreachable.
        """
        await self._lookup.by_digest(NO_DIGEST)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._lookup.aclose()

    def _refusal_reason(self, facts: TokenFacts) -> Reason | None:
        reason = refusal_reason(
            self._clock(),
            expires_at=facts.expires_at,
            disabled_at=facts.disabled_at,
            revoked_at=facts.revoked_at,
            retires_at=facts.retires_at,
            deleted_at=facts.deleted_at or facts.space_deleted_at or facts.workspace_deleted_at,
        )
        return Reason.SUSPENDED if reason is None and facts.suspended_at is not None else reason

    def _computed(
        self,
        kind_name: str,
        grants: str,
        workspace: tuple[str, str, str, str | None, int | None, int | None],
    ) -> _Powers | None:
        """Return the effective powers for these stored values, or None if the product is not loaded in this process."""
        product_name, plan_name, roles, scopes_allowed, per_minute, burst = workspace
        product = self._products.get(product_name)
        if product is None:
            return None
        kind = Kind(kind_name)
        plan = product.plans.get(plan_name)
        allowed = None if scopes_allowed is None else json.loads(scopes_allowed)
        scopes = effective_scopes(
            product,
            json.loads(grants),
            kind=kind,
            roles=roles_from(product, json.loads(roles)),
            plan=plan,
            policy=Policy(scopes_allowed=None if allowed is None else frozenset(allowed)),
        )
        return _Powers(kind, scopes, limit_of(plan, per_minute, burst))


def key_formats_of(products: Mapping[str, Product]) -> KeyFormats:
    """Return the formats of keys that may have been imported into workspaces of these products."""
    return KeyFormats(one for product in products.values() for one in product.key_formats.values())


def digest_of(products: Mapping[str, Product], secret: Secret) -> bytes:
    """Return the digest under which a token with this secret is stored, if it is one or an imported key."""
    imported = None if parse(secret) is not None else key_formats_of(products).digest(secret)
    return secret.digest() if imported is None else imported


@dataclass(frozen=True, slots=True)
class _Powers:
    """Powers of a token now, from its own row and its workspace's."""

    kind: Kind
    scopes: frozenset[str]
    limit: Limit | None


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
