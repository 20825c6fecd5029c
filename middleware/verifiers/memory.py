"""In-memory verifier for tests, examples and experiments."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable, Verdict
from spacekey.domain.clock import WallClock, utc_now
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.secret import Entropy, Secret, mint, parse
from spacekey.domain.verifier import Verifier


class MemoryVerifier(Verifier):
    """Knows the tokens that were issued to it, by their digests, as the real verifiers do.

    :param secret_prefix: the prefix of the secrets it makes.
    :param now: wall time, for expiry.
    :param entropy: random bytes for secrets.
    """

    def __init__(
        self,
        secret_prefix: str = "sk",  # noqa: S107 - what secrets begin with
        *,
        now: WallClock = utc_now,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self._secret_prefix = secret_prefix
        self._now = now
        self._entropy = entropy
        self._verdicts: dict[bytes, Verdict] = {}
        self.outage: str | None = None
        """Reason to answer "cannot tell" about every well-formed secret; None to answer normally."""

    def issue(
        self,
        *scopes: str,
        space_id: str | None = None,
        workspace_id: str | None = None,
        environment: str = "live",
        name: str = "",
        rate_limit: Limit | None = None,
        expires_at: datetime | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Secret:
        """Issue a token with these scopes, of a space if ``space_id`` is given, else of the workspace.

        :returns: its secret.
        """
        principal = Principal(
            id=f"key_{len(self._verdicts) + 1}",
            kind=Kind.WORKSPACE if space_id is None else Kind.SPACE,
            scopes=frozenset(scopes),
            name=name,
            workspace_id=workspace_id,
            space_id=space_id,
            environment=environment,
            rate_limit=rate_limit,
            expires_at=expires_at,
            external_id=external_id,
            metadata=metadata,
        )
        return self.issue_to(principal)

    def issue_to(self, principal: Principal) -> Secret:
        """Issue a secret for a given principal."""
        secret = mint(self._secret_prefix, principal.environment or "live", self._entropy)
        self._verdicts[secret.digest()] = Authenticated(principal)
        return secret

    def refuse(self, secret: Secret, reason: Reason = Reason.REVOKED) -> None:
        """Refuse the token from now on, for this reason."""
        known = self._verdicts.get(secret.digest())
        token_id = known.principal.id if isinstance(known, Authenticated) else None
        self._verdicts[secret.digest()] = Rejected(reason, token_id)

    def grant(self, secret: Secret, *scopes: str) -> None:
        """Give a valid token these scopes, and no others, from now on."""
        known = self._verdicts.get(secret.digest())
        if isinstance(known, Authenticated):
            self._verdicts[secret.digest()] = Authenticated(replace(known.principal, scopes=frozenset(scopes)))

    async def verify(self, secret: Secret) -> Verdict:
        """Return the verdict on ``secret``."""
        if parse(secret) is None:
            return Rejected(Reason.MALFORMED)
        if self.outage is not None:
            return Unavailable(self.outage)
        verdict = self._verdicts.get(secret.digest(), Rejected(Reason.UNKNOWN))
        if isinstance(verdict, Authenticated):
            expires_at = verdict.principal.expires_at
            if expires_at is not None and expires_at <= self._now():
                return Rejected(Reason.EXPIRED, verdict.principal.id)
        return verdict

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""
