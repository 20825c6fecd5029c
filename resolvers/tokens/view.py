"""View of a token for display: the record, and the values computed from it now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spacekey.domain.clock import written_exactly
from spacekey.domain.principal import Kind
from spacekey.domain.product import Product
from spacekey.domain.token_state import Status, status_of
from spacekey.models.tables.records import AnyToken, TokenRecord
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.access.entitlements import scopes_of
from spacekey.resolvers.addresses import plain_name
from spacekey.resolvers.audit.log import Facts

MASKED_LENGTH = 10


@dataclass(frozen=True, slots=True)
class TokenView:
    """Fields of a token for lists and pages. It contains no secret."""

    token: AnyToken
    product: Product
    status: Status
    scopes: frozenset[str]
    role: str | None
    retires_at: datetime | None

    @property
    def masked(self) -> str:
        """The first 10 characters of the secret, followed by dots."""
        return self.token.prefix[:MASKED_LENGTH] + "•" * 8

    @property
    def shown_prefix(self) -> str:
        """The first 12 characters of the secret, followed by an ellipsis."""
        return f"{self.token.prefix}…"

    @property
    def public_id(self) -> str:
        """The creator's name at creation (a member's e-mail address), an underscore and the id; for display only."""
        name, _ = plain_name(self.token.created_by)
        return f"{name}_{self.token.id}" if name else self.token.id


Precondition = Callable[[TokenView], bool]
"""Condition of a change about the token before it, checked in the transaction of the change."""


def view_of(
    token: AnyToken,
    authority: Authority,
    now: datetime,
    *,
    scopes: frozenset[str] | None = None,
    successor_used_at: datetime | None = None,
) -> TokenView:
    """Return the view of a token.

    :param authority: the caller's, in the token's workspace.
    :param scopes: the effective scopes, if they are known already.
    :param successor_used_at: the first use of a successor, if that use ends the token; a record has it itself.
    """
    ends = [token.retires_at, token.successor_used_at if isinstance(token, TokenRecord) else successor_used_at]
    retires_at = min((moment for moment in ends if moment is not None), default=None)
    role = token.grants[0] if len(token.grants) == 1 and token.grants[0] in authority.roles else None
    return TokenView(
        token=token,
        product=authority.product,
        status=status_of(
            now,
            expires_at=token.expires_at,
            disabled_at=token.disabled_at,
            revoked_at=token.revoked_at,
            retires_at=retires_at,
        ),
        scopes=effective(token, authority) if scopes is None else scopes,
        role=role,
        retires_at=retires_at,
    )


def effective(token: AnyToken, authority: Authority) -> frozenset[str]:
    """Return the effective scopes of a token in its workspace now."""
    return scopes_of(authority.product, authority.workspace, token.grants, Kind(token.kind))


def audit_facts(token: AnyToken) -> Facts:
    """Return what the audit log keeps of a token before and after a change."""
    facts: dict[str, Any] = {
        "name": token.name,
        "description": token.description,
        "kind": token.kind,
        "environment": token.environment,
        "space_id": token.space_id,
        "prefix": token.prefix,
        "grants": list(token.grants),
        "external_id": token.external_id,
        "metadata": token.metadata_,
        "rotated_to_id": token.rotated_to_id,
        "revoked_reason": token.revoked_reason,
    }
    for name in ("expires_at", "disabled_at", "revoked_at", "deleted_at", "retires_at"):
        moment: datetime | None = getattr(token, name)
        facts[name] = None if moment is None else written_exactly(moment)
    return facts
