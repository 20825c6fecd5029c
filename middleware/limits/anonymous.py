"""Budget of CPU time for callers without valid credentials, by client address.

    budget = AnonymousBudget(Limit(per_minute=600, burst=2_000))
    Starlette(middleware=[Middleware(AnonymousWork, budget=budget), Middleware(TokenMiddleware, verifier=…)])

A token has its plan's limit; a caller without one would have none, and parsing, validating and executing its requests
takes time from all others on the event loop. The cost of a request is known only when it is done: so its time is
measured and charged to the address, and the address's next request without credentials is refused while the account is
empty. A request with credentials is not refused here, because they may be valid; an application that does work for
callers whose credentials were not calls :meth:`AnonymousBudget.refusal` again before it begins.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from math import ceil
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.domain.clock import MonotonicClock, boot_clock
from spacekey.domain.network import network_of
from spacekey.domain.principal import Limit, Principal
from spacekey.middleware import responses

from .budget import WorkAccounts, WorkBudget

MILLISECONDS = 1_000.0
CREDENTIALS = ("authorization", "cookie")

CpuClock = Callable[[], float]


class AnonymousBudget:
    """CPU time that callers without valid credentials may use, by address; an IPv6 address counts by its /64.

    The address is the ASGI server's ``client``: behind a proxy, let the server take it from the proxy's header.

    :param limit: milliseconds of CPU time, per minute and at once.
    :param addresses_max: how many addresses have an account of their own; all further ones share one.
    :param pause_seconds: how long a refusal is delayed, so that a client that retries as soon as it is answered does
        not keep the process busy with refusals.
    :param paused_max: how many refusals are delayed at the same time; further ones are sent at once.
    :param clock: seconds, monotonic through suspension.
    :param accounts: the addresses' accounts, for several processes that share one budget; it takes the place of
        ``limit``, ``addresses_max`` and ``clock``. Without it each process has a budget of its own.
    """

    def __init__(
        self,
        limit: Limit,
        *,
        addresses_max: int = 10_000,
        pause_seconds: float = 1.0,
        paused_max: int = 64,
        clock: MonotonicClock = boot_clock,
        accounts: WorkAccounts | None = None,
    ) -> None:
        self._accounts = accounts or WorkBudget(limit, keys_max=addresses_max, clock=clock)
        self.pause_seconds = pause_seconds
        self._paused_max = paused_max
        self._paused = 0

    async def refusal(self, scope: Scope) -> Response | None:
        """Return 429 with ``Retry-After``, after a pause, if the address has used up its budget; else None."""
        wait = self._accounts.wait_seconds(_address(scope))
        if not wait:
            return None
        if self._paused < self._paused_max:
            self._paused += 1
            try:
                await asyncio.sleep(self.pause_seconds)
            finally:
                self._paused -= 1
        return responses.work_limited(ceil(wait))

    def charge(self, scope: Scope, cpu_seconds: float) -> None:
        """Charge CPU time to the address."""
        self._accounts.charge(_address(scope), cpu_seconds * MILLISECONDS)


class AnonymousWork:
    """ASGI middleware that charges a budget, and answers 429 to requests without credentials from empty accounts.

    Put it outside of ``TokenMiddleware``. It measures the time that the event loop's thread spends in the request's own
    task; waiting for others costs nothing. Time is charged step by step, so that concurrent requests are not all
    admitted on the same account. Nothing is charged if the caller turns out to be authenticated.

    :param app: the app behind it.
    :param budget: the budget to charge.
    :param applies: whether the budget applies to a request; None for all of them. Probes and static files may be left
        out.
    :param credential_headers: names of the headers in which the app reads credentials, such as ``["X-API-Key"]``.
    :param cpu_clock: seconds of CPU time of the current thread.
    """

    def __init__(
        self,
        app: ASGIApp,
        budget: AnonymousBudget,
        *,
        applies: Callable[[Scope], bool] | None = None,
        credential_headers: Iterable[str] = CREDENTIALS,
        cpu_clock: CpuClock = time.thread_time,
    ) -> None:
        self.app = app
        self._budget = budget
        self._applies = applies
        self._credentials = frozenset(name.lower().encode() for name in credential_headers)
        self._cpu_clock = cpu_clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not (self._applies is None or self._applies(scope)):
            await self.app(scope, receive, send)
            return
        claims = any(name in self._credentials for name, _ in scope["headers"])
        if not claims and (refusal := await self._budget.refusal(scope)) is not None:
            await refusal(scope, receive, send)
            return
        work = _Work(self.app(scope, receive, send), self._cpu_clock)
        if not claims:
            work.on_step = lambda seconds: self._budget.charge(scope, seconds)
        try:
            await work
        finally:
            if claims and not isinstance(scope.get("user"), Principal):
                self._budget.charge(scope, work.seconds)


class _Work:
    """Awaitable whose steps between two waits are measured."""

    on_step: Callable[[float], None] | None = None

    def __init__(self, awaitable: Awaitable[None], clock: CpuClock) -> None:
        self._awaitable = awaitable
        self._clock = clock
        self.seconds = 0.0

    def __await__(self) -> Generator[Any, Any, None]:
        steps: Any = self._awaitable.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            began = self._clock()
            try:
                awaited = steps.send(value) if error is None else steps.throw(error)
            except StopIteration:
                return
            finally:
                step = self._clock() - began
                self.seconds += step
                if self.on_step is not None:
                    self.on_step(step)
            try:
                value, error = (yield awaited), None
            except BaseException as raised:  # noqa: BLE001 - such as a cancellation, which the work handles itself
                value, error = None, raised


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return network_of(client[0]) if client else ""
