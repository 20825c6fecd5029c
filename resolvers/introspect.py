"""Is this secret good, and for whom: for remote verifiers (RFC 7662). Read from the store, never from a cache."""

from __future__ import annotations

from dataclasses import dataclass

from spacekey.domain.catalog import Catalog
from spacekey.domain.errors import Unavailable
from spacekey.domain.outcome import CannotTell, Reason, Refused, Valid
from spacekey.domain.principal import Principal
from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound
from spacekey.domain.scope import INTROSPECT
from spacekey.domain.secret import Secret
from spacekey.models.lookup import TokenFacts

from .authority import authority_in
from .caller import Caller, IntrospectorCaller, TokenCaller
from .system import System
from .validate import unknown
from .verify import StoreVerifier


@dataclass(frozen=True, slots=True)
class Introspection:
    """The verdict the caller may know, and T in seconds: how long it may be relied on, from before it was asked."""

    verdict: Valid | Refused
    max_age_seconds: float


async def introspect(
    system: System,
    verifier: StoreVerifier,
    caller: Caller,
    principal: Principal,
    secret: Secret,
    *,
    environment: str | None = None,
    used_in: str | None = None,
) -> Introspection:
    """The verdict on ``secret`` as far as it is the caller's business: a foreign token is as unknown as any other.

    That holds for what is refused, too: why, and which token it was, is told only of tokens within the caller's
    authority. A token that is accepted counts as used.

    :param verifier: asks the store at every call.
    :param principal: the caller as ``verifier`` read it for this request, which is not read a second time.
    :param environment: the asking app's; a token of another one is refused. None is an app that did not say.
    :param used_in: where the asking app will hold the token to its environment by itself: a token of another one is
        described, and does not count as used.
    :raises Forbidden: the caller does not hold ``tokens:introspect`` there.
    :raises InvalidInput: the token's catalog has no such environment, so that each of its tokens would be refused.
    :raises Unavailable: the store does not answer.
    """
    reading = await verifier.read(secret)
    verdict, facts, max_age = reading.verdict, reading.facts, reading.max_age_seconds
    if facts is not None and not await _may_ask(system, caller, principal, facts):
        return Introspection(Refused(Reason.UNKNOWN), max_age)
    if isinstance(verdict, CannotTell):
        raise Unavailable(verdict.why, verdict.retry_after_seconds)
    if facts is None:
        return Introspection(Refused(Reason.UNKNOWN), max_age)
    _check_environments(system.catalog(facts.catalog), environment, used_in)
    held = in_environment(verdict, environment)
    if reading.first_use_due and isinstance(held, Valid) and in_environment(held, used_in) is held:
        recorded = (await verifier.accept(reading)).verdict
        if isinstance(recorded, CannotTell):
            raise Unavailable(recorded.why, recorded.retry_after_seconds)
    return Introspection(held, max_age)


async def _may_ask(system: System, caller: Caller, principal: Principal, facts: TokenFacts) -> bool:
    """Return whether the token lies within the caller's authority.

    An introspector or a token has been read from the store for this request, with everything that its authority
    depends on. What a member may do differs from workspace to workspace, so that is read here.

    :raises Forbidden: it does, and the caller may not introspect there.
    """
    if facts.workspace_deleted_at is not None:
        return False
    if isinstance(caller, IntrospectorCaller):
        return facts.catalog == caller.catalog
    if isinstance(caller, TokenCaller):
        in_reach = facts.workspace_id == principal.workspace_id and principal.space_id in (None, facts.space_id)
        if in_reach and INTROSPECT not in principal.scopes:
            raise Forbidden(frozenset({INTROSPECT}))
        return in_reach
    try:
        async with system.store.reading() as session:
            authority = await authority_in(session, system, caller, facts.workspace_id)
    except NotFound:
        return False
    authority.require(INTROSPECT)
    return True


def _check_environments(catalog: Catalog, environment: str | None, used_in: str | None) -> None:
    """Refuse an environment that the token's catalog does not have.

    :raises InvalidInput: for such an environment.
    """
    for field, name in (("environment", environment), ("used_in", used_in)):
        if name is not None and name not in catalog.environments:
            raise InvalidInput(field, unknown("environment", name, catalog.environments))


def in_environment(verdict: Valid | Refused, environment: str | None) -> Valid | Refused:
    """The verdict for an app that runs in this environment; None is an app that did not say."""
    if environment is None or isinstance(verdict, Refused) or verdict.principal.environment == environment:
        return verdict
    return Refused(Reason.ENVIRONMENT, verdict.principal.id)
