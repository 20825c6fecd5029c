"""An operation that very many sets of scopes would get through is told so, instead of being worked on without end."""

from typing import Any

import pytest
import strawberry

from spacekey.domain.errors import RuleError
from spacekey.domain.rule import any_of
from spacekey.middleware.graphql import ScopedSchema, required_scopes, requires_scopes
from spacekey.middleware.graphql.reports import CANDIDATES_MAX

LEVELS = 11


def chain_of_types() -> ScopedSchema:
    """Types in a chain: what lies below a level is looked at when one of the level's two scopes is held."""
    below: Any = int
    for number in reversed(range(LEVELS)):
        field = strawberry.field(
            resolver=lambda: None,
            graphql_type=below,
            directives=[requires_scopes(any_of(f"a:{number}", f"b:{number}"))],
        )
        name = f"Level{number}" if number else "Query"
        below = strawberry.type(type(name, (), {"next": field}))
    return ScopedSchema(below)


def nested(levels: int) -> str:
    return "{ next " * levels + "{ __typename }" * (levels < LEVELS) + "}" * levels


def test_what_lies_behind_more_combinations_than_can_be_told_is_an_error_that_says_so() -> None:
    schema = chain_of_types()
    rule = required_scopes(schema, nested(3))
    assert len(rule.alternatives) == 2**3
    with pytest.raises(RuleError, match=f"more than {CANDIDATES_MAX} combinations"):
        required_scopes(schema, nested(LEVELS))
