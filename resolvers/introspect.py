"""Is this secret good, and for whom: for remote verifiers (RFC 7662). Read from the store, never from a cache."""

from __future__ import annotations

from dataclasses import dataclass

from spacekey.domain.errors import Unavailable
from spacekey.domain.outcome import CannotTell, Reason, Refused, Valid
from spacekey.domain.principal import Principal
from spacekey.domain.refusal import Forbidden, NotFound
from spacekey.domain.scope import INTROSPECT
from spacekey.domain.secret import Secret

from .authority import authority_in
from .caller import Caller
from .system import System
from .verify import StoreVerifier


@dataclass(frozen=True, slots=True)
class Introspection:
    """The verdict the caller may know, and T in seconds: how long it may be relied on, from before it was asked."""

    verdict: Valid | Refused
    max_age_seconds: float


async def introspect(system: System, verifier: StoreVerifier, caller: Caller, secret: Secret) -> Introspection:
    """The verdict on ``secret`` as far as it is the caller's business: a foreign token is as unknown as any other.

    :param verifier: asks the store at every call.
    :raises Forbidden: the caller's own token no longer holds ``tokens:introspect``.
    :raises Unavailable: the store does not answer.
    """
    verdict, max_age = await verifier.read(secret)
    if isinstance(verdict, CannotTell):
        raise Unavailable(verdict.why, verdict.retry_after_seconds)
    if isinstance(verdict, Refused):
        return Introspection(verdict, max_age)
    async with system.store.reading() as session:
        principal = verdict.principal
        try:
            authority = await authority_in(session, system, caller, principal.workspace_id or "")
        except NotFound:
            return Introspection(Refused(Reason.UNKNOWN), max_age)
    if not _within(authority.space_id, principal):
        return Introspection(Refused(Reason.UNKNOWN), max_age)
    if INTROSPECT not in authority.scopes:
        raise Forbidden([INTROSPECT])
    return Introspection(verdict, max_age)


def in_environment(verdict: Valid | Refused, environment: str | None) -> Valid | Refused:
    """The verdict for an app that runs in this environment; None is an app that did not say."""
    if environment is None or isinstance(verdict, Refused) or verdict.principal.environment == environment:
        return verdict
    return Refused(Reason.ENVIRONMENT, verdict.principal.id)


def _within(space_id: str | None, principal: Principal) -> bool:
    return space_id is None or principal.space_id == space_id
