"""The four results of authenticating a request: four types, which are never turned into one another."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from .principal import Principal


class Reason(StrEnum):
    """Reason why credentials were rejected: for logs, metrics and the owner's audit log, never for the caller."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    DISABLED = "disabled"
    REVOKED = "revoked"
    DELETED = "deleted"
    ROTATED = "rotated"
    SUSPENDED = "suspended"
    ENVIRONMENT = "environment"
    CROSS_ORIGIN = "cross_origin"


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No credentials were sent."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Invalid credentials.

    ``token_id`` is known if the secret belongs to a token, and ``issuer`` if a chain of several verifiers knows it, as
    in :class:`~spacekey.domain.principal.Principal`.
    """

    reason: Reason
    token_id: str | None = None
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Valid credentials, with their principal."""

    principal: Principal


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The credentials could not be checked in time: 503, never a denial and never an acceptance."""

    why: str
    retry_after_seconds: int = 1


Verdict: TypeAlias = Rejected | Authenticated | Unavailable
"""A verifier's answer for credentials that were sent."""

AuthenticationResult: TypeAlias = Anonymous | Rejected | Authenticated | Unavailable
"""Result of authenticating a request."""
