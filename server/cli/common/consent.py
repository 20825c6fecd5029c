"""Consent to what takes access away: a question that says what is hit, and ``--dry-run``, which only says it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from .backend import Consent, DryRun
from .output import Facts, say, show_one, shown
from .run import confirmed

if TYPE_CHECKING:
    from spacekey.domain.principal import Limit
    from spacekey.resolvers.impact import Impact
    from spacekey.resolvers.system import System

T = TypeVar("T")
SCOPES_SHOWN = 5


async def ask_first(
    system: System,
    target_id: str,
    change: Callable[[System], Awaitable[T]],
    question: str,
    consent: Consent,
    *,
    always: bool = False,
    note: Callable[[T], Awaitable[str | None]] | None = None,
) -> DryRun | None:
    """Ask whether to make a change that takes access away. The change is rehearsed first, with all of its checks.

    :param target_id: the workspace that is changed, or the token.
    :param change: makes the change and does not wait for T.
    :param always: ask although nothing works less afterwards.
    :param note: returns a sentence about what the rehearsal returned, which is asked about, too.
    :returns: what would be hit if this is a dry run; None if the change may be made.
    :raises Failure: standard input is no terminal, and consent was not given.
    :raises SpacekeyError: any that the change raises.
    """
    if consent.yes and not consent.dry_run:
        return None
    from spacekey.resolvers.impact import rehearse

    impact, returned = await rehearse(system, target_id, change)
    noted = None if note is None else await note(returned)
    sentences = (*impact_sentences(impact), *(() if noted is None else (noted,)))
    if consent.dry_run:
        return DryRun({"dry_run": True, **impact_facts(impact)}, sentences)
    if always or sentences:
        confirmed(" ".join((*sentences, question)), yes=consent.yes)
    return None


def show_change(done: Facts | DryRun, json_wanted: bool) -> None:
    """Print a changed object, or what a dry run found."""
    if not isinstance(done, DryRun):
        show_one(done, json_wanted)
        return
    say("Nothing was changed. This is what would happen:")
    if json_wanted:
        show_one(done.facts, True)
        return
    for one in done.sentences or ("Nothing stops working.",):
        print(one)


def impact_facts(impact: Impact) -> Facts:
    """Return an impact as JSON values."""
    return {
        "tokens_stopped": impact.tokens_stopped,
        "tokens_losing": dict(impact.tokens_losing),
        "members_stopped": impact.members_stopped,
        "members_losing": dict(impact.members_losing),
        "tokens_limited": impact.tokens_limited,
        "limit_before": _limit_facts(impact.limit_before),
        "limit_after": _limit_facts(impact.limit_after),
    }


def impact_sentences(impact: Impact) -> Iterator[str]:
    """Yield an impact in sentences, such as ``12 tokens lose dlq:write.``"""
    if impact.tokens_stopped:
        yield f"{_count(impact.tokens_stopped, 'token')} {'stops' if impact.tokens_stopped == 1 else 'stop'} working."
    yield from _losing(impact.tokens_losing, "token")
    if impact.members_stopped:
        yield f"{_count(impact.members_stopped, 'member')} {_lose(impact.members_stopped)} access."
    yield from _losing(impact.members_losing, "member")
    if impact.tokens_limited:
        before, after = _limit(impact.limit_before), _limit(impact.limit_after)
        goes = "goes" if impact.tokens_limited == 1 else "go"
        yield f"{_count(impact.tokens_limited, 'token')} {goes} from {before} to {after}."


def _losing(lost: Mapping[str, int], what: str) -> Iterator[str]:
    by_count: dict[int, list[str]] = defaultdict(list)
    for scope, count in lost.items():
        by_count[count].append(scope)
    for count, scopes in sorted(by_count.items(), reverse=True):
        more = f" and {len(scopes) - SCOPES_SHOWN} more scopes" if len(scopes) > SCOPES_SHOWN else ""
        yield f"{_count(count, what)} {_lose(count)} {shown(scopes[:SCOPES_SHOWN])}{more}."


def _lose(count: int) -> str:
    return "loses" if count == 1 else "lose"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _limit(limit: Limit | None) -> str:
    return "no limit" if limit is None else f"{limit.per_minute} requests a minute ({limit.burst} at once)"


def _limit_facts(limit: Limit | None) -> Facts | None:
    return None if limit is None else {"per_minute": limit.per_minute, "burst": limit.burst}
