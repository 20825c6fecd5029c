"""What rules on GraphQL fields cost: a list of objects with five ruled fields each, over the same without rules.

Run it with ``python -m bench.graphql_fields``. The schemas take turns, so that the machine's noise falls on all of them
alike. ``ratio`` compares the fastest operations, ``median_ratio`` is the median of the rounds' own ratios; how far "no
rules, again" is from 1 says how far either can be trusted. Budget: 1.03 for 10,000 objects.
"""

# Strawberry's field(permission_classes=…) and field(directives=…) give Any, so as decorators they count as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

import strawberry
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.permission import BasePermission

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import OnDenied, ScopedSchema, ScopeEnforcement, requires_scopes

from ._turns import ratios, show

BUDGET = 1.03
BUDGET_OBJECTS = 10_000
ROUNDS = {1_000: 80, 10_000: 40}
SLOW_EVERY = 10
"""What is far from the budget anyway takes part in every tenth round only."""
FIELDS = ("one", "two", "three", "four", "five")
QUERY = "{ items { one two three four five } }"
SCOPES = frozenset(f"{name}:read" for name in FIELDS)


def item_type(rule: Callable[[str], dict[str, Any]]) -> Any:
    """A type of five plain fields, each with what ``rule`` gives to ``strawberry.field``."""
    fields = {name: strawberry.field(default=1, **rule(name)) for name in FIELDS}
    made = type("Item", (), {"__annotations__": dict.fromkeys(FIELDS, int | None), **fields})
    return strawberry.type(made)


def query_type(item: Any, count: int) -> Any:
    """A root whose one field lists ``count`` objects of the type."""
    items = [item() for _ in range(count)]

    def resolve() -> Any:
        return items

    field = strawberry.field(resolver=resolve, graphql_type=list[item])
    return strawberry.type(type("Query", (), {"items": field}))


def no_rule(_: str) -> dict[str, Any]:
    """Nothing to check."""
    return {}


def directive(name: str) -> dict[str, Any]:
    """Our rule."""
    return {"directives": [requires_scopes(f"{name}:read")]}


def permission(name: str, *, asynchronous: bool) -> dict[str, Any]:
    """Strawberry's own way: a class that is asked at each value."""
    needed = f"{name}:read"

    class Sync(BasePermission):
        def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
            del source, kwargs
            return needed in info.context["caller"].scopes

    class Async(BasePermission):
        async def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
            del source, kwargs
            return needed in info.context["caller"].scopes

    return {"permission_classes": [Async if asynchronous else Sync]}


def schemas(count: int) -> dict[str, tuple[strawberry.Schema, frozenset[str]]]:
    """Each way to protect the fields, and the scopes its caller holds. The first is what the others are divided by."""
    extensions: list[Any] = [ParserCache, ValidationCache]

    def plain(rule: Callable[[str], dict[str, Any]]) -> strawberry.Schema:
        return strawberry.Schema(query_type(item_type(rule), count), extensions=extensions)

    def scoped(mode: OnDenied) -> strawberry.Schema:
        scopes = ScopeEnforcement(on_denied=mode, principal=lambda context: context["caller"], public=["Query.items"])
        return ScopedSchema(query_type(item_type(directive), count), scopes=scopes, extensions=extensions)

    return {
        "no rules": (plain(no_rule), SCOPES),
        "no rules, again (the noise)": (plain(no_rule), SCOPES),
        "Spacekey, all scopes held": (scoped("reject"), SCOPES),
        "Spacekey, null, one field of five denied": (scoped("null"), SCOPES - {"five:read"}),
        "permission_classes, sync": (plain(lambda name: permission(name, asynchronous=False)), SCOPES),
        "permission_classes, async": (plain(lambda name: permission(name, asynchronous=True)), SCOPES),
    }


async def once(schema: strawberry.Schema, held: frozenset[str], count: int) -> float:
    """Processor seconds of one operation, whose answer is checked so that an empty one does not count as fast."""
    context = {"caller": Principal("key_1", Kind.SPACE, held)}
    gc.collect()
    gc.disable()
    started = time.process_time()
    result = await schema.execute(QUERY, context_value=context)
    took = time.process_time() - started
    gc.enable()
    if held == SCOPES and (result.errors or result.data is None or len(result.data["items"]) != count):
        raise RuntimeError(f"an answer was not whole: {result.errors}")
    return took


async def _measure(count: int, rounds: int) -> list[dict[str, object]]:
    contenders = schemas(count)
    base = next(iter(contenders))
    took: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for name in names:
        await once(*contenders[name], count)
    beside: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        this_turn: dict[str, float] = {}
        # The order rotates, so that none always follows the same one.
        for name in names if turn % 2 == 0 else reversed(names):
            if not (name.startswith("permission_classes") and turn % SLOW_EVERY):
                this_turn[name] = await once(*contenders[name], count)
        for name, seconds in this_turn.items():
            took[name].append(seconds)
            beside[name].append(this_turn[base])
    return [
        {
            "name": f"GraphQL, {count:,} objects × {len(FIELDS)} fields: {name}",
            "milliseconds": round(min(seconds) * 1_000, 2),
            **ratios(seconds, beside[name]),
            "budget": BUDGET if name == "Spacekey, all scopes held" and count == BUDGET_OBJECTS else None,
        }
        for name, seconds in took.items()
    ]


def measure(rounds: dict[int, int] | None = None) -> list[dict[str, object]]:
    """The fewest milliseconds of each contender, and its ratios to no rules.

    :param rounds: rounds by number of objects; by default enough for a ratio that repeats.
    """
    rows: list[dict[str, object]] = []
    for count, turns in (rounds or ROUNDS).items():
        rows += asyncio.run(_measure(count, turns))
    return rows


if __name__ == "__main__":
    show(measure())
