"""From a secret to a verdict: one indexed read, then only computing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import lru_cache

from spacekey.domain.catalog import Catalog, Policy, effective_scopes
from spacekey.domain.clock import Clock
from spacekey.domain.errors import Unavailable
from spacekey.domain.outcome import CannotTell, Reason, Refused, Valid, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret, parse
from spacekey.domain.token_state import refusal_reason
from spacekey.models.lookup import TokenFacts, TokenLookup

from .workspace_facts import limit_of, roles_from

SCOPE_SETS_MAX = 4_096


class StoreVerifier:
    """The embedded verifier: asks the store, at every verification.

    :param default_staleness_seconds: T where the database holds no other.
    :param first_use: told the id of a successor whose first use ends its predecessor, before it is accepted.
    """

    def __init__(
        self,
        lookup: TokenLookup,
        catalogs: Mapping[str, Catalog],
        clock: Clock,
        first_use: Callable[[str], Awaitable[None]],
        default_staleness_seconds: float = 0.0,
    ) -> None:
        self._lookup = lookup
        self._catalogs = catalogs
        self._clock = clock
        self._first_use = first_use
        self._default_staleness = default_staleness_seconds
        self._brands = frozenset(catalog.brand for catalog in catalogs.values())
        # Keyed by the stored values themselves, so that an entry can never be out of date.
        self._scopes = lru_cache(SCOPE_SETS_MAX)(self._effective)

    async def verify(self, secret: Secret) -> Verdict:
        """Say whether the secret is good now, and for whom. See :class:`spacekey.domain.verifier.Verifier`."""
        return (await self.read(secret))[0]

    async def read(self, secret: Secret) -> tuple[Verdict, float]:
        """The verdict, and T: for how many seconds it may be relied on, counted from before this call.

        Both come from one statement, so that T cannot be a later one than the verdict's.
        """
        shape = parse(secret)
        if shape is None:
            return Refused(Reason.MALFORMED), 0.0
        if shape.brand not in self._brands:
            return Refused(Reason.UNKNOWN), 0.0
        try:
            facts = await self._lookup.by_digest(secret.digest())
            if facts is None:
                return Refused(Reason.UNKNOWN), self._default_staleness
            verdict = self.judge(facts)
            if isinstance(verdict, Valid) and facts.first_use_retires and not facts.first_used:
                await self._first_use(facts.id)
        except Unavailable as error:
            return CannotTell(str(error), error.retry_after_seconds), 0.0
        staleness = facts.max_staleness_seconds
        return verdict, self._default_staleness if staleness is None else staleness

    def judge(self, facts: TokenFacts) -> Verdict:
        """The verdict on a token with these facts, now."""
        reason = refusal_reason(
            self._clock(),
            expires_at=facts.expires_at,
            disabled_at=facts.disabled_at,
            revoked_at=facts.revoked_at,
            retires_at=facts.retires_at,
            deleted_at=_earliest(facts.deleted_at, facts.space_deleted_at, facts.workspace_deleted_at),
        )
        if reason is not None:
            return Refused(reason, facts.id)
        if facts.suspended_at is not None:
            return Refused(Reason.SUSPENDED, facts.id)
        catalog = self._catalogs.get(facts.catalog)
        if catalog is None:
            return CannotTell(f"the catalog '{facts.catalog}' is not loaded here")
        kind = Kind(facts.kind)
        scopes = self._scopes(
            facts.catalog, kind, facts.grants_json, facts.roles_json, facts.plan, facts.scopes_allowed_json
        )
        return Valid(
            Principal(
                id=facts.id,
                kind=kind,
                scopes=scopes,
                name=facts.name,
                workspace_id=facts.workspace_id,
                space_id=facts.space_id,
                environment=facts.environment,
                limit=limit_of(catalog.plans.get(facts.plan), facts.per_minute, facts.burst),
                # A rotation's end counts like an expiry: whoever caches this must see it come.
                expires_at=_earliest(facts.expires_at, facts.retires_at),
            )
        )

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._lookup.aclose()

    def _effective(
        self, catalog_name: str, kind: Kind, grants: str, roles: str, plan: str, scopes_allowed: str | None
    ) -> frozenset[str]:
        catalog = self._catalogs[catalog_name]
        allowed = None if scopes_allowed is None else json.loads(scopes_allowed)
        return effective_scopes(
            catalog,
            json.loads(grants),
            kind=kind,
            roles=roles_from(catalog, json.loads(roles)),
            plan=catalog.plans.get(plan),
            policy=Policy(scopes_allowed=None if allowed is None else frozenset(allowed)),
        )


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
