"""On random schemas, data, callers and queries: no denied resolver ever runs, and no allowed field is lost.

A few hundred cases each time; ``SPACEKEY_CASES=20000`` for as many as wanted.
"""

import os
from collections.abc import Sequence
from random import Random

from graphql import GraphQLError, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import DenialError, Mode, ScopedSchema, required_scopes
from support.graphql_query import SUPPLIED, random_query
from support.graphql_reference import Path, Reference
from support.graphql_world import SCOPES, Runs, World, build_schemas, random_world

CASES = int(os.environ.get("SPACEKEY_CASES", "400"))
QUERIES, CALLERS = 8, 4
"""How many of each world: callers take turns with one query, and parser and validation caches are on."""


@settings(
    max_examples=-(-CASES // (QUERIES * CALLERS)),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(seed=st.integers(0, 2**64 - 1))
def test_the_static_decision_agrees_with_a_check_at_every_value(seed: int) -> None:
    random = Random(seed)
    world = random_world(random, str(seed))
    runs = Runs()
    schemas = build_schemas(world, runs)
    for _ in range(QUERIES):
        root = "Mutation" if random.random() < 0.3 else "Query"
        query = random_query(random, world, root)
        for _ in range(CALLERS):
            held = None if random.random() < 0.15 else frozenset(one for one in SCOPES if random.random() < 0.6)
            compare(world, schemas, runs, query, held)
        document = parse(query)
        for alternative in required_scopes(schemas[Mode.REJECT], document, variables=SUPPLIED).alternatives:
            assert not refused_for(Reference(world, document, alternative))


def refused_for(expected: Reference) -> set[str]:
    """The coordinates for which the operation is refused whole, where anything is refused whole.

    A mutation's effect is there before anybody knows which types its answer has, so it is refused for any of them.
    """
    return expected.possibly_denied() if expected.root == "Mutation" else expected.certainly_denied()


def compare(
    world: World, schemas: dict[Mode, ScopedSchema], runs: Runs, query: str, held: frozenset[str] | None
) -> None:
    """Run one operation for one caller in both modes, and hold answers and resolvers that ran against the rules."""
    runs.caller = None if held is None else Principal(id="key_1", kind=Kind.SPACE, scopes=held)
    expected = Reference(world, parse(query), held)
    data = expected.run()
    refused = refused_for(expected)

    for mode, schema in schemas.items():
        runs.log.clear()
        result = schema.execute_sync(query, variable_values=SUPPLIED)
        assert all(isinstance(error, DenialError) for error in result.errors or []), result.errors
        if refused and (mode is Mode.REJECT or expected.root == "Mutation"):
            assert (result.data, runs.log) == (None, [])
            assert coordinates(result.errors) == refused
        else:
            assert (result.data, runs.log) == (data, expected.runs)
            assert denials(result.errors) == set(expected.nulls), "one error for every null"


def denials(errors: Sequence[GraphQLError] | None) -> set[tuple[str, Path]]:
    """Coordinate and path of the denials among the errors."""
    return {(error.coordinate, tuple(error.path or ())) for error in errors or [] if isinstance(error, DenialError)}


def coordinates(errors: Sequence[GraphQLError] | None) -> set[str]:
    """The coordinates of the denials among the errors."""
    return {error.coordinate for error in errors or [] if isinstance(error, DenialError)}
