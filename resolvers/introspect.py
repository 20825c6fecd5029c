"""Is this secret good, and for whom: for remote verifiers (RFC 7662). Read from the store, never from a cache."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.errors import Unavailable
from spacekey.domain.outcome import CannotTell, Reason, Refused, Valid
from spacekey.domain.refusal import InvalidInput, NotFound
from spacekey.domain.scope import INTROSPECT
from spacekey.domain.secret import Secret
from spacekey.models import token_queries

from .authority import Authority, authority_in
from .caller import Caller
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
    secret: Secret,
    *,
    environment: str | None = None,
    used_in: str | None = None,
) -> Introspection:
    """The verdict on ``secret`` as far as it is the caller's business: a foreign token is as unknown as any other.

    That holds for what is refused, too: why, and which token it was, is told only of tokens within the caller's
    authority. A token that is accepted counts as used.

    :param verifier: asks the store at every call.
    :param environment: the asking app's; a token of another one is refused. None is an app that did not say.
    :param used_in: where the asking app will hold the token to its environment by itself: a token of another one is
        described, and does not count as used.
    :raises Forbidden: the caller's own token no longer holds ``tokens:introspect``.
    :raises InvalidInput: the token's catalog has no such environment, so that each of its tokens would be refused.
    :raises Unavailable: the store does not answer.
    """
    reading = await verifier.read(secret)
    verdict, max_age = reading.verdict, reading.max_age_seconds
    if isinstance(verdict, CannotTell):
        raise Unavailable(verdict.why, verdict.retry_after_seconds)
    async with system.store.reading() as session:
        authority = await _authority_over(session, system, caller, verdict)
    if authority is None:
        return Introspection(Refused(Reason.UNKNOWN), max_age)
    for field, name in (("environment", environment), ("used_in", used_in)):
        if name is not None and name not in authority.catalog.environments:
            raise InvalidInput(field, unknown("environment", name, authority.catalog.environments))
    held = in_environment(verdict, environment)
    if isinstance(held, Valid) and in_environment(held, used_in) is held:
        recorded = (await verifier.accept(reading)).verdict
        if isinstance(recorded, CannotTell):
            raise Unavailable(recorded.why, recorded.retry_after_seconds)
    return Introspection(held, max_age)


async def _authority_over(
    session: AsyncSession, system: System, caller: Caller, verdict: Valid | Refused
) -> Authority | None:
    """Return the caller's authority over the token that was found; None when the token does not lie within it.

    :raises Forbidden: it does, and the caller may not introspect there.
    """
    token_id = verdict.principal.id if isinstance(verdict, Valid) else verdict.token_id
    token = None if token_id is None else await token_queries.token_by_id(session, token_id)
    if token is None:
        return None
    try:
        authority = await authority_in(session, system, caller, token.workspace_id)
    except NotFound:
        return None
    if not authority.covers(token):
        return None
    authority.require(INTROSPECT)
    return authority


def in_environment(verdict: Valid | Refused, environment: str | None) -> Valid | Refused:
    """The verdict for an app that runs in this environment; None is an app that did not say."""
    if environment is None or isinstance(verdict, Refused) or verdict.principal.environment == environment:
        return verdict
    return Refused(Reason.ENVIRONMENT, verdict.principal.id)
