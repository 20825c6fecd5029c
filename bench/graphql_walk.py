"""What it costs to decide about an operation, over validating it, in schemas of 10 to 1,000 types.

Run it with ``python -m bench.graphql_walk``. All types stand behind one interface, and implement six more in 64
combinations; every second one has a rule of its own, and every third one on a field. Documents: many aliases of a
field that leads back to the interface, as an attacker writes them; a fragment that is spread on many sets of types, up
to the bound; and the small query that an app sends. Callers: anonymous, and one who holds half of the scopes.
Walk and validation take turns. Budget: 1.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import strawberry
from graphql import DocumentNode, GraphQLError, parse, validate

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.middleware.graphql.analysis import analyze_operation
from spacekey.middleware.graphql.operations import pick_operation

from ._turns import ratios, show

BUDGET = 1.0
COUNTS = (10, 100, 300, 1_000)
ALIASES = 500
FACETS = 6
ROUNDS = 15


@strawberry.interface
class Node:
    """What all types are."""

    id: int = 1

    @strawberry.field
    def parent(self) -> Node | None:
        """Another one."""
        return None


def nothing() -> Node | None:
    """Never runs."""
    return None


def wide(count: int) -> ScopedSchema:
    """A schema of ``count`` types behind an interface."""

    def parent(*rules: Any) -> Any:
        return strawberry.field(resolver=nothing, directives=rules)

    facets = [[strawberry.interface(type(f"Facet{n}{side}", (Node,), {})) for side in "AB"] for n in range(FACETS)]
    types = []
    for number in range(count):
        body = {"parent": parent(requires_scopes(f"p{number}:read"))} if number % 3 == 0 else {}
        made = type(f"T{number}", tuple(facets[n][(number >> n) & 1] for n in range(FACETS)), body)
        types.append(strawberry.type(made, directives=[requires_scopes(f"t{number}:read")] if number % 2 else []))
    query = strawberry.type(type("Query", (), {"node": parent()}))
    return ScopedSchema(query, types=types, scopes=ScopeEnforcement(fail_on_undeclared=False))


def narrowing(levels: int, leaves: int) -> str:
    """Fragments that spread one another on ever smaller sets of types, two at each level."""
    text = "{ node { ...F0 } }"
    for n in range(levels):
        text += f" fragment F{n} on Node {{ ... on Facet{n}A {{ ...F{n + 1} }} ... on Facet{n}B {{ ...F{n + 1} }} }}"
    return text + f" fragment F{levels} on Node {{ {' '.join(f'l{n}: id' for n in range(leaves))} }}"


DOCUMENTS = {
    "500 aliases": "{ node { " + " ".join(f"a{n}: parent {{ id }}" for n in range(ALIASES)) + " } }",
    "fragments on 16 sets of types": narrowing(4, 40),
    "a small query": "{ node { id parent { id } ... on T0 { id } } }",
}


def once(work: Callable[[], object]) -> float:
    """Processor seconds of one piece of work."""
    gc.collect()
    gc.disable()
    started = time.process_time()
    work()
    took = time.process_time() - started
    gc.enable()
    return took


def _walk(schema: ScopedSchema, document: DocumentNode, principal: Principal | None) -> None:
    try:
        analyze_operation(schema.rulebook, pick_operation(document, None), {}, principal, 20_000)
    except GraphQLError:
        return  # beyond the bound, which has cost as much as is let


def _validated(schema: ScopedSchema, document: DocumentNode) -> None:
    errors = validate(schema._schema, document)
    if errors:
        raise RuntimeError(f"a document is not valid: {errors[0]}")


def measure(counts: tuple[int, ...] = COUNTS, rounds: int = ROUNDS) -> list[dict[str, object]]:
    """The milliseconds of each walk, and its ratio to validation.

    :param counts: how many types the schemas have.
    :param rounds: how often each is measured.
    """
    rows: list[dict[str, object]] = []
    for count in counts:
        schema = wide(count)
        half = frozenset(f"{kind}{number}:read" for kind in "tp" for number in range(0, count, 2))
        callers = {"anonymous": None, "half of the scopes": Principal("key_1", Kind.SPACE, half)}
        for name, text in DOCUMENTS.items():
            document = parse(text)
            for who, principal in callers.items():
                walks: list[float] = []
                validations: list[float] = []
                for _ in range(rounds):
                    walks.append(once(partial(_walk, schema, document, principal)))
                    validations.append(once(partial(_validated, schema, document)))
                rows.append(
                    {
                        "name": f"Walk over validation, {count:,} types, {name}, {who}",
                        "milliseconds": round(min(walks) * 1_000, 3),
                        **ratios(walks, validations),
                        "budget": BUDGET,
                    }
                )
    return rows


if __name__ == "__main__":
    show(measure())
