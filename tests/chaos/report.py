"""A race in words."""

from __future__ import annotations

from .race import Result


def told(title: str, result: Result) -> str:
    """What to print of a race, in lines."""
    outcome, size = result.outcome, result.size
    ways = ", ".join(f"{way} {count}" for way, count in sorted(outcome.answered.items(), key=lambda one: -one[1]))
    faults = ", ".join(f"{kind} {count}" for kind, count in result.faults.items())
    after = result.aftermath
    lines = [
        f"{title}: seed {result.seed} (SPACEKEY_FAULT_SEED={result.seed} repeats the plan), {result.seconds:.0f} s",
        f"answered: {sum(outcome.answered.values())} takeaways of {outcome.tokens} tokens ({ways})",
        f"begun without an answer, not counted: {outcome.unanswered}",
        f"uses: {outcome.tried} tried, {outcome.accepted} accepted, {outcome.refused} refused,",
        f"      {outcome.cannot_tell} cannot tell; {outcome.tried_after} begun after the answer",
        f"faults: {sum(result.faults.values())} ({faults or 'none'})",
        f"accepted after the answer: {len(outcome.violations)}",
        f"largest staleness: {outcome.largest_staleness_seconds:.3f} s, T = {size.staleness_seconds:.3f} s",
        f"afterwards: {after.events} audit events, {len(after.broken_chains)} chains broken,",
        f"      {len(after.lost)} answers lost, {len(after.unaudited)} changes without their one event",
    ]
    return "\n  ".join(lines)
