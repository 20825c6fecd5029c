"""Invariants of every interleaving."""

from __future__ import annotations

from collections.abc import Iterator

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable
from spacekey.domain.refusal import Conflict

from .scenario import DEFAULT_STALENESS, SCOPE, Read, Scenario, Use, Verifying
from .virtual_database import Version


def faults(scenario: Scenario) -> Iterator[str]:
    """Yield all violations of a scenario; none if all promises were kept."""
    for use in scenario.uses:
        yield from _faults_of(scenario, use)
    for verifying in scenario.verifying:
        yield from _faults_in(verifying)
    for task in scenario.managing:
        error = task.exception() if task.done() else RuntimeError("it never ended")
        if error is not None and not isinstance(error, Conflict):
            yield f"a manager failed: {error!r}"
    for process in scenario.machines.processes:
        yield from (f"{process.name}: {failure}" for failure in process.loop.failures)


def _faults_of(scenario: Scenario, use: Use) -> Iterator[str]:
    if use.cancelled:
        return
    if use.verdict is None:
        yield f"a use of {use.token} that began at {use.tick} was not answered: {use.error!r}"
    elif use.accepted:
        if not _was_right(scenario, use):
            yield f"{use.token} was accepted at {use.tick}..{use.ended_tick}, after its end had been answered"
    elif not _is_justified(use):
        yield f"{use.token} was not accepted at {use.tick}..{use.ended_tick} though no read said so: {use.verdict}"


def _was_right(scenario: Scenario, use: Use) -> bool:
    """Whether some state, not older than the newest promise before the use began, accepts it."""
    promised = max(
        (
            promise.committed
            for promise in scenario.promises
            if promise.token == use.token and promise.moment < use.began and promise.tick <= use.tick
        ),
        default=0,
    )
    versions = scenario.database.history[use.token]
    return any(version.row.accepts(use.tick) for version in _in_force(versions, promised, use.ended))


def _in_force(versions: list[Version], since: int, until: int) -> Iterator[Version]:
    for version, following in zip(versions, [*versions[1:], None], strict=True):
        if version.moment <= until and (following is None or following.moment > since):
            yield version


def _is_justified(use: Use) -> bool:
    """Whether a request that did not go through was told so by a read that may be relied on."""
    if isinstance(use.verdict, Rejected) and use.verdict.reason is Reason.EXPIRED:
        return True  # by date, which is looked at on every hit
    return any(_says(read, use) for read in use.where.reads if read.token == use.token and read.began < use.ended)


def _says(read: Read, use: Use) -> bool:
    fresh = read.ended is not None and read.ended > use.began
    if isinstance(use.verdict, Unavailable):
        late = read.max_age > 0 and use.ended_tick >= read.tick + read.max_age
        return fresh and (isinstance(read.verdict, Unavailable) or late)
    if isinstance(use.verdict, Rejected):
        same = isinstance(read.verdict, Rejected) and read.verdict.reason is use.verdict.reason
        kept = use.verdict.reason is Reason.UNKNOWN and use.tick < read.tick + DEFAULT_STALENESS
        return same and (fresh or kept)
    lacking = isinstance(read.verdict, Authenticated) and SCOPE not in read.verdict.principal.scopes
    return lacking and (fresh or use.tick < read.tick + read.max_age)


def _faults_in(verifying: Verifying) -> Iterator[str]:
    cache = verifying.cache
    if len(cache._valid) > verifying.entries_max or len(cache._unknown) > verifying.unknown_max:
        yield f"more is kept than {verifying.entries_max} and {verifying.unknown_max} entries"
    if cache._reads:
        yield "reads are kept that have ended"
    before: dict[str, Read] = {}
    for read in verifying.reads:
        last = before.get(read.token)
        if last is not None and (last.ended is None or last.ended > read.began):
            yield f"two reads of {read.token} at once, at {read.tick}"
        before[read.token] = read
