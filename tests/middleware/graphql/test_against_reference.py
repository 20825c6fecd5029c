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
from support.graphql_reference import Reference
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
        query = random_query(random, world)
        for _ in range(CALLERS):
            held = None if random.random() < 0.15 else frozenset(one for one in SCOPES if random.random() < 0.6)
            compare(world, schemas, runs, query, held)
        document = parse(query)
        for alternative in required_scopes(schemas[Mode.REJECT], document, variables=SUPPLIED).alternatives:
            assert not Reference(world, document, alternative).certainly_denied()


def compare(
    world: World, schemas: dict[Mode, ScopedSchema], runs: Runs, query: str, held: frozenset[str] | None
) -> None:
    """Run one query for one caller in both modes, and hold the answers and the resolvers that ran against the rules."""
    document = parse(query)
    runs.caller = None if held is None else Principal(id="key_1", kind=Kind.SPACE, scopes=held)
    expected = Reference(world, document, held)
    data = expected.run()
    certain = expected.certainly_denied()

    runs.log.clear()
    filtered = schemas[Mode.FILTER].execute_sync(query, variable_values=SUPPLIED)
    assert all(isinstance(error, DenialError) for error in filtered.errors or []), filtered.errors
    assert filtered.data == data
    assert runs.log == expected.runs
    assert coordinates(filtered.errors) == expected.denied
    assert len(filtered.errors or []) == len(expected.denied), "one error a coordinate, however many values it has"

    runs.log.clear()
    rejected = schemas[Mode.REJECT].execute_sync(query, variable_values=SUPPLIED)
    if certain:
        assert (rejected.data, runs.log) == (None, [])
        assert coordinates(rejected.errors) == certain
    else:
        assert (rejected.data, runs.log) == (data, expected.runs)


def coordinates(errors: Sequence[GraphQLError] | None) -> set[str]:
    """The coordinates of the denials among the errors."""
    return {error.coordinate for error in errors or [] if isinstance(error, DenialError)}
