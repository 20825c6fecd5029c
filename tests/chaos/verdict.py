"""What a race showed: every use that was accepted although it began after the answer, and how stale answers got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .environment import Scene, Way
from .shared_counters import Board, Managed, Used


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
    :param unanswered: begun takeaways without an answer: the process died, or a retry could not know. Not counted.
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


def judge(scene: Scene, managed: Board, used: Sequence[Board]) -> Outcome:
    """The outcome of a race, from what its processes left on their boards."""
    answered: Counter[Way] = Counter()
    violations: list[Violation] = []
    tokens = unanswered = warm = asked_after = 0
    staleness = 0.0
    for number, takeaway in enumerate(scene.takeaways):
        answer = managed.get(number, Managed.ANSWERED)
        if not answer:
            unanswered += managed.get(number, Managed.BEGAN) > 0
            continue
        answered[takeaway.way] += 1
        committed = managed.get(number, Managed.COMMITTED)
        for token in takeaway.tokens:
            tokens += 1
            warm += any(board.get(token, Used.ACCEPTED) for board in used)
            asked_after += any(board.get(token, Used.TRIED_AFTER) for board in used)
            for verifier, board in enumerate(used):
                last = board.get(token, Used.LAST_ACCEPTED)
                staleness = max(staleness, last - committed)
                if last > answer:
                    violations.append(Violation(takeaway.way, scene.victims[token].id, verifier, last - answer))
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


def _sum(used: Sequence[Board], column: Used) -> int:
    return int(sum(board.total(column) for board in used))
