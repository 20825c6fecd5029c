"""Introspection for remote verifiers (RFC 7662): the verdict on a secret, read from the store, never from a cache."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.principal import Principal
from spacekey.domain.product import Product
from spacekey.domain.refusal import Forbidden, InputCode, InvalidInput, NotFound
from spacekey.domain.scope import INTROSPECT
from spacekey.domain.secret import Secret
from spacekey.models.lookup.facts import TokenFacts
from spacekey.resolvers.access.authority import Authority, authority_in
from spacekey.resolvers.access.caller import Caller, ServiceCaller, TokenCaller
from spacekey.resolvers.services import check_service
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import unknown

from .verify import AT_ONCE_MAX, LookupVerifier, StoreReading


@dataclass(frozen=True, slots=True)
class Introspection:
    """Verdict that the caller may see, and T in seconds: how long it may be relied on, from before the request."""

    verdict: Authenticated | Rejected
    max_age_seconds: float


async def introspect(
    system: System,
    verifier: LookupVerifier,
    caller: Caller,
    principal: Principal,
    secret: Secret,
    *,
    environment: str | None = None,
    used_in: str | None = None,
) -> Introspection:
    """Return the verdict on ``secret`` as far as the caller may see it: a foreign token is reported as unknown.

    The same holds for refused tokens: the reason and the token's identity are given only within the caller's authority.
    A token that is accepted counts as used.

    :param verifier: reads the store at every call.
    :param principal: the caller as ``verifier`` read it for this request; it is not read again.
    :param environment: the app's environment; a token of another one is refused. None if the app gave none.
    :param used_in: the environment that the app enforces itself: a token of another one is described but does not count
        as used.
    :raises Forbidden: if the caller does not hold ``tokens:introspect`` in the token's workspace.
    :raises InvalidInput: if the token's product has no such environment, so that all of its tokens would be refused.
    :raises ServiceUnavailable: if the database is unreachable.
    """
    reach = _Reach(system, caller, principal)
    answer = await _answer(verifier, reach, await verifier.read(secret), environment, used_in)
    if isinstance(answer, Introspection):
        return answer
    raise answer


@dataclass(frozen=True, slots=True)
class Asked:
    """One token in a batch; see :func:`introspect`."""

    secret: Secret
    environment: str | None = None
    used_in: str | None = None


async def introspect_many(
    system: System,
    verifier: LookupVerifier,
    caller: Caller,
    principal: Principal,
    own: Secret | None,
    asked: Sequence[Asked],
) -> list[Introspection | InvalidInput | ServiceUnavailable]:
    """Return or raise for each token, in order, what :func:`introspect` would, from one statement.

    Between the caller's verification and this call the request's body was read, which a client can draw out. So the
    caller's own credential is read again: a token by the same statement, a service before it.

    :param own: the secret of the caller's token or service; None for other callers.
    :param asked: at most 1,000.
    :raises Forbidden: if the caller no longer holds ``tokens:introspect``.
    :raises ServiceUnavailable: if the database is unreachable.
    """
    secrets = [each.secret for each in asked]
    if own is not None and isinstance(caller, TokenCaller):
        *readings, reading = await verifier.read_many([*secrets, own])
        if isinstance(reading.verdict, Unavailable):
            raise ServiceUnavailable(reading.verdict.why, reading.verdict.retry_after_seconds)
        if not isinstance(reading.verdict, Authenticated):
            raise Forbidden(frozenset({INTROSPECT}))
        principal = reading.verdict.principal
    else:
        await check_service(system, caller, own)
        readings = await verifier.read_many(secrets)
    reach = _Reach(system, caller, principal)
    answers: list[Introspection | InvalidInput | ServiceUnavailable] = []
    for number, (each, reading) in enumerate(zip(asked, readings, strict=True), 1):
        if reading.facts is None and isinstance(reading.verdict, Unavailable):
            raise ServiceUnavailable(reading.verdict.why, reading.verdict.retry_after_seconds)
        answers.append(await _answer(verifier, reach, reading, each.environment, each.used_in))
        if number % AT_ONCE_MAX == 0:
            await asyncio.sleep(0)
    return answers


async def _answer(
    verifier: LookupVerifier, reach: _Reach, reading: StoreReading, environment: str | None, used_in: str | None
) -> Introspection | InvalidInput | ServiceUnavailable:
    """Return what the caller may see of a reading, and record the token's first use if one is due.

    :raises Forbidden: if the caller does not hold ``tokens:introspect`` in the token's workspace.
    """
    verdict, facts, max_age = reading.verdict, reading.facts, reading.max_age_seconds
    if facts is not None and not await reach.covers(facts):
        return Introspection(Rejected(Reason.UNKNOWN), max_age)
    if isinstance(verdict, Unavailable):
        return ServiceUnavailable(verdict.why, verdict.retry_after_seconds)
    if facts is None:
        return Introspection(Rejected(Reason.UNKNOWN), max_age)
    held = verdict
    if environment is not None or used_in is not None:
        try:
            _check_environments(reach.system.product(facts.product), environment, used_in)
        except (InvalidInput, ServiceUnavailable) as error:
            return error
        held = in_environment(verdict, environment)
    if reading.first_use_due and isinstance(held, Authenticated) and in_environment(held, used_in) is held:
        recorded = (await verifier.accept(reading)).verdict
        if isinstance(recorded, Unavailable):
            return ServiceUnavailable(recorded.why, recorded.retry_after_seconds)
    return Introspection(held, max_age)


class _Reach:
    """Tokens that a caller may introspect.

    A service or a token has been read from the store for this request, with everything that its authority depends
    on. A member's authority differs by workspace, so it is read here, once for each workspace.
    """

    def __init__(self, system: System, caller: Caller, principal: Principal) -> None:
        self.system = system
        self._caller = caller
        self._principal = principal
        self._of_member: dict[str, Authority | None] = {}

    async def covers(self, facts: TokenFacts) -> bool:
        """Return whether the token lies within the caller's authority.

        :raises Forbidden: if it does, but the caller may not introspect there.
        """
        if facts.workspace_deleted_at is not None:
            return False
        if isinstance(self._caller, ServiceCaller):
            return facts.product == self._caller.product
        if isinstance(self._caller, TokenCaller):
            own = self._principal
            if facts.workspace_id != own.workspace_id or own.space_id not in (None, facts.space_id):
                return False
            if INTROSPECT not in own.scopes:
                raise Forbidden(frozenset({INTROSPECT}))
            return True
        authority = await self._authority_in(facts.workspace_id)
        if authority is None:
            return False
        authority.require(INTROSPECT)
        return True

    async def _authority_in(self, workspace_id: str) -> Authority | None:
        if workspace_id not in self._of_member:
            found: Authority | None = None
            with suppress(NotFound):
                async with self.system.store.reading() as session:
                    found = await authority_in(session, self.system, self._caller, workspace_id)
            self._of_member[workspace_id] = found
        return self._of_member[workspace_id]


def _check_environments(product: Product, environment: str | None, used_in: str | None) -> None:
    """Raise if the token's product does not have the environment.

    :raises InvalidInput: for such an environment.
    """
    for field, name in (("environment", environment), ("used_in", used_in)):
        if name is not None and name not in product.environments:
            raise InvalidInput(field, unknown("environment", name, product.environments), InputCode.UNKNOWN_VALUE)


def in_environment(verdict: Authenticated | Rejected, environment: str | None) -> Authenticated | Rejected:
    """Return the verdict for an app in this environment; None if the app gave none."""
    if environment is None or isinstance(verdict, Rejected) or verdict.principal.environment == environment:
        return verdict
    return Rejected(Reason.ENVIRONMENT, verdict.principal.id)
