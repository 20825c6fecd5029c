"""What a connection counts as, once it is known what came of it."""

from __future__ import annotations

from enum import Enum

from spacekey.domain.outcome import Outcome, Refused, Valid
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.usage import UsageCounter

from .access import Access, Requirement
from .tally import Client

NO_SCOPES: frozenset[str] = frozenset()
MEMBER = Kind.MEMBER  # looked up once: an enumeration's members are slow to reach


class Fate(Enum):
    """What becomes of a connection whose token is good."""

    ALLOWED = "allowed"
    DENIED = "denied"
    LIMITED = "limited"
    DONE = "counted, or not to be counted"


ALLOWED, DONE = Fate.ALLOWED, Fate.DONE


def scopes_used(access: Access | None, principal: Principal) -> frozenset[str]:
    """The scopes by which ``access`` let the principal in."""
    if type(access) is not Requirement:
        return NO_SCOPES
    return access.only if access.only is not None else access.rule.enough_of(principal.scopes) or NO_SCOPES


def count(usage: UsageCounter, outcome: Outcome | None, client: Client, fate: Fate, scopes: frozenset[str]) -> None:
    """Note one request.

    A member is no token, and a caller without a token, or one of whom nobody can tell, is nobody's request.
    """
    if type(outcome) is Valid:
        principal = outcome.principal
        if principal.kind is MEMBER:
            return
        if fate is ALLOWED:
            usage.allowed(principal.id, client, scopes)
        elif fate is Fate.DENIED:
            usage.denied(principal.id, client)
        elif fate is Fate.LIMITED:
            usage.limited(principal.id, client)
    elif type(outcome) is Refused and outcome.token_id is not None:
        usage.refused(outcome.token_id)
