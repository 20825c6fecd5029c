"""Relay's node and connections, as Strawberry makes them."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from typing import Any

import strawberry
from strawberry import relay

from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes
from support.graphql_library import ask, holding, ran, refusals

DENIED = "INSUFFICIENT_SCOPE"


@strawberry.type
class Card(relay.Node):
    code: relay.NodeID[int]

    @strawberry.field(directives=[requires_scopes("cards:read")])
    def holder(self, info: strawberry.Info[Any, Any]) -> str | None:
        ran(info, "holder")
        return "Bob"

    @classmethod
    def resolve_nodes(cls, *, info: Any, node_ids: Any, **_: Any) -> list["Card"]:
        return [Card(code=int(one)) for one in node_ids]


@strawberry.type
class Query:
    node: relay.Node = relay.node()

    @relay.connection(relay.ListConnection[Card])
    def cards(self) -> list[Card]:
        return [Card(code=1), Card(code=2)]

    @relay.connection(relay.ListConnection[Card], directives=[requires_scopes("lists:read")])
    def listed(self) -> list[Card]:
        return [Card(code=3)]


SCHEMA = ScopedSchema(
    Query, scopes=ScopeEnforcement(fail_on_undeclared=False, principal=lambda context: context["caller"])
)


async def test_a_rule_on_a_connection_field_counts(how: str) -> None:
    query = "{ listed { edges { cursor } } }"
    assert refusals(await ask(how, SCHEMA, query, holding())) == [("Query.listed", ("listed",), DENIED)]
    assert (await ask(how, SCHEMA, query, holding("lists:read"))).errors is None


async def test_relay_node_and_connection_are_judged_like_other_fields(how: str) -> None:
    cards = "{ cards(first: 1) { edges { node { id holder } } pageInfo { hasNextPage } } }"
    refused = await ask(how, SCHEMA, cards, holding())
    assert refusals(refused) == [("Card.holder", ("cards", "edges", "node", "holder"), DENIED)]
    result = await ask(how, SCHEMA, cards, holding("cards:read"))
    assert result.errors is None
    assert result.data is not None
    global_id = result.data["cards"]["edges"][0]["node"]["id"]
    by_id = "query($id: ID!) { node(id: $id) { id ... on Card { holder } } }"
    assert refusals(await ask(how, SCHEMA, by_id, holding(), variable_values={"id": global_id})) == [
        ("Card.holder", ("node", "holder"), DENIED)
    ]
