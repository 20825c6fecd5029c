"""From credentials to one of the four answers, in bounded time. Nothing here raises but a cancellation."""

import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection
from starlette.types import Scope

from spacekey.domain.outcome import Absent, CannotTell, Outcome, Reason, Refused, Valid, Verdict
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.secret import Secret
from spacekey.domain.usage import UsageCounter
from spacekey.domain.verifier import Verifier

from .asked import asked_within, usable
from .failure import places_of
from .limits import Decision, Limiter
from .limits.flooded import Flooded
from .metering import ALLOWED, DONE, Fate
from .origin import OriginCheck
from .sender import SentBy
from .warm import Recall, recall_in
from .watch import Watch

if TYPE_CHECKING:
    from .limits.flood import RefusalFlood

log = logging.getLogger("spacekey.middleware")

Fallback = Callable[[HTTPConnection], Awaitable[Outcome]]
Observer = Callable[[HTTPConnection, Outcome], None]
FOREIGN = Refused(Reason.CROSS_ORIGIN)
"""The outcome of credentials that a browser attached to a request of another origin's page."""

WorkspaceOf = Callable[[str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Gate:
    """The settings of one :class:`~spacekey.middleware.TokenMiddleware`; see there."""

    verifier: Verifier
    realm: str
    environment: str | None = None
    deadline_seconds: float = 2.0
    fallback: Fallback | None = None
    on_outcome: Observer | None = None
    workspace_of: WorkspaceOf | None = None
    limits: Limiter | None = None
    flood: "RefusalFlood | None" = None
    usage: UsageCounter | None = None
    origins: OriginCheck | None = None
    watch: Watch = field(default_factory=Watch)
    limit: Limit | None = None
    recall: Recall = field(init=False, repr=False)
    """The verifier's memory for tokens of this environment. May raise."""
    fate: Fate = field(init=False, repr=False)
    """What a visit begins as: nothing is left to count where nobody counts."""

    charge_at_once: Callable[[str, Limit, int], Decision | None] = field(init=False, repr=False)
    """Charges a limit where that needs no waiting; None when :meth:`charge` must be. May raise."""

    def __post_init__(self) -> None:
        at_once = _charges_nothing if self.limits is None else self.limits.charge_at_once
        object.__setattr__(self, "charge_at_once", at_once)
        object.__setattr__(self, "recall", recall_in(self.environment, self.verifier.recall))
        object.__setattr__(self, "fate", DONE if self.usage is None else ALLOWED)

    def peek(self, secret: Secret) -> Verdict | None:
        """Return what the verifier knows without waiting; None if :meth:`judge` must be asked."""
        try:
            verdict = self.verifier.peek(secret)
        except Exception as error:  # noqa: BLE001 - judge() asks again, and says "cannot tell"
            log.error("the verifier failed with %s", places_of(error))
            return None
        return None if verdict is None else self._sensible(verdict)

    async def judge(self, scope: Scope, secret: Secret) -> Verdict:
        """Ask the verifier about what this connection sent.

        An exception, a hang or an answer that is none of the three is "cannot tell".
        """
        with SentBy(scope, self.environment):
            verdict = await asked_within(self.deadline_seconds, self.verifier.verify, secret, "the verifier")
        return self._sensible(verdict)

    def limit_of(self, principal: Principal) -> Limit | None:
        """Return what the principal is held to: the app's one limit for all, else its own; None for no limit."""
        return self.limit or principal.limit

    async def charge(self, principal: Principal, cost: int) -> Decision | None:
        """Charge the principal's limit; None when there is none, or the limiter failed, which stops nobody."""
        limit = self.limit_of(principal)
        if self.limits is None or limit is None:
            return None
        try:
            return await self.limits.charge(principal.limit_key, limit, cost)
        except Exception as error:  # noqa: BLE001 - a limit keeps a service usable; a broken one must not end it
            log.error("the limiter failed with %s", type(error).__name__)
            return None

    def _sensible(self, answer: object) -> Verdict:
        verdict = usable(None if isinstance(answer, Absent) else answer, "the verifier")
        return self._of_this_environment(verdict) if isinstance(verdict, Valid) else verdict

    async def ask_fallback(self, connection: HTTPConnection) -> Outcome:
        """Ask the app's other way of authentication, when there is one; else "absent".

        What it accepts is refused where a page of another origin may have had the browser send it.
        """
        if self.fallback is None:
            return Absent()
        with SentBy(connection.scope):  # it may have a verifier of its own
            outcome = await asked_within(self.deadline_seconds, self.fallback, connection, "the fallback")
        if outcome is None:
            log.error("the fallback answered with None: return Absent() for a request without credentials")
            return CannotTell("the fallback answered with None")
        if isinstance(outcome, Absent):
            return outcome
        verdict = usable(outcome, "the fallback")
        if isinstance(verdict, Valid) and self.origins is not None and not self.origins.passes(connection.scope):
            return FOREIGN
        return verdict

    async def workspace_of_space(self, space_id: str) -> str | CannotTell | None:
        """The workspace that owns a space, when the app can tell; None when it cannot or there is none."""
        if self.workspace_of is None:
            return None
        answer = await asked_within(self.deadline_seconds, self.workspace_of, space_id, "workspace_of")
        return answer if isinstance(answer, str | CannotTell) else None

    def observe(self, scope: Scope, outcome: Outcome) -> None:
        """Log what the caller is not told, and tell the observer. Secrets reach neither."""
        if isinstance(outcome, Refused):
            log.info("credentials refused: %s, token %s", outcome.reason, outcome.token_id)
        elif isinstance(outcome, CannotTell) and not isinstance(outcome, Flooded):
            log.warning("credentials cannot be checked: %s", outcome.why)
        if self.on_outcome is not None:
            try:
                said: object = self.on_outcome(HTTPConnection(scope), outcome)
                if said is not None and isinstance(said, Coroutine):
                    said.close()
                    log.error("on_outcome is async, and never runs: write a plain function")
            except Exception:
                log.exception("the observer failed")

    def _of_this_environment(self, valid: Valid) -> Verdict:
        if self.environment is None or principal_in(valid.principal, (self.environment,)):
            return valid
        return Refused(Reason.ENVIRONMENT, valid.principal.id)


def _charges_nothing(_key: str, _limit: Limit, _cost: int) -> None:
    """What charges where there are no limits."""


def principal_in(principal: Principal, environments: Collection[str]) -> bool:
    """Whether a principal may act in one of the environments. A member belongs to none and may act in all."""
    return principal.environment in environments or principal.kind is Kind.MEMBER
