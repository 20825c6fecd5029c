"""Evaluation of a race: uses that were accepted although they began after the answer, and the largest staleness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .environment import Environment, Way
from .shared_counters import Managed, SharedCounters, Used


@dataclass(frozen=True, slots=True)
class Violation:
    """A use accepted after the answer, and how long after."""

    way: Way
    token: str
    verifier: int
    late_seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A race in numbers.

    :param answered: takeaways whose answer came back, by way.
    :param tokens: tokens that lost access by an answered takeaway.
    :param unanswered: begun takeaways without an answer: the process killed, or a retry could not know. Not counted.
    :param warm: answered tokens that some verifier had accepted before.
    :param asked_after: answered tokens that some verifier was asked about after the answer.
    :param tried: uses; each was ``accepted``, refused, or answered with "cannot tell".
    :param largest_staleness_seconds: from the commit to the beginning of the last use that was accepted after it.
    """

    answered: dict[Way, int]
    tokens: int
    unanswered: int
    warm: int
    asked_after: int
    tried: int
    accepted: int
    refused: int
    cannot_tell: int
    tried_after: int
    largest_staleness_seconds: float
    violations: tuple[Violation, ...]


def evaluate(environment: Environment, managed: SharedCounters, used: Sequence[SharedCounters]) -> Outcome:
    """The outcome of a race, from what its processes left in their counters."""
    answered: Counter[Way] = Counter()
    violations: list[Violation] = []
    tokens = unanswered = warm = asked_after = 0
    staleness = 0.0
    for number, takeaway in enumerate(environment.takeaways):
        answer = managed.get(number, Managed.ANSWERED)
        if not answer:
            unanswered += managed.get(number, Managed.BEGAN) > 0
            continue
        answered[takeaway.way] += 1
        committed = managed.get(number, Managed.COMMITTED)
        for token in takeaway.tokens:
            tokens += 1
            warm += any(counters.get(token, Used.ACCEPTED) for counters in used)
            asked_after += any(counters.get(token, Used.TRIED_AFTER) for counters in used)
            for verifier, counters in enumerate(used):
                last = counters.get(token, Used.LAST_ACCEPTED)
                staleness = max(staleness, last - committed)
                if last > answer:
                    violations.append(Violation(takeaway.way, environment.victims[token].id, verifier, last - answer))
    return Outcome(
        answered=dict(answered),
        tokens=tokens,
        unanswered=unanswered,
        warm=warm,
        asked_after=asked_after,
        tried=_sum(used, Used.TRIED),
        accepted=_sum(used, Used.ACCEPTED),
        refused=_sum(used, Used.REFUSED),
        cannot_tell=_sum(used, Used.CANNOT_TELL),
        tried_after=_sum(used, Used.TRIED_AFTER),
        largest_staleness_seconds=staleness,
        violations=tuple(violations),
    )


def _sum(used: Sequence[SharedCounters], column: Used) -> int:
    return int(sum(counters.total(column) for counters in used))
