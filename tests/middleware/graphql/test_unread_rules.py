"""A rule that stands where nothing reads it stops the start."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code="untyped-decorator"

from collections.abc import AsyncGenerator, Callable
from enum import Enum
from typing import Annotated, Any, Generic, NewType, TypeVar

import pydantic
import pytest
import strawberry
from strawberry.federation.schema_directives import Authenticated, Policy
from strawberry.federation.schema_directives import RequiresScopes as FederationRequiresScopes
from strawberry.schema.config import StrawberryConfig

from spacekey.domain.errors import RuleError
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes, scope_report
from support.graphql_places import root

T = TypeVar("T")
ADMIN = requires_scopes("admin")
RULES = [ADMIN, FederationRequiresScopes(scopes=[["a"]]), Authenticated(), Policy(policies=[["p"]])]


@strawberry.type
class Plain:
    x: int = 1


@strawberry.type
class Other:
    x: int = 1


@strawberry.type
class Box(Generic[T]):
    @strawberry.field
    def content(self) -> T | None:
        return None


def annotated(annotation: Any, default: Any = None) -> type:
    """A root with one plain attribute of this annotation."""
    return strawberry.type(type("Query", (), {"__annotations__": {"x": annotation}, "x": default}))


def resolving(annotation: Any, **arguments: Any) -> type:
    """A root whose one field has a resolver with these annotations."""

    def resolve(value: Any = None) -> Any:
        return value

    resolve.__annotations__ = {"return": annotation, "value": arguments.get("value", int | None)}
    return root(x=strawberry.field(resolver=resolve))


def shared(annotation: Any) -> Any:
    return Annotated[str, annotation]


def input_with(annotation: Any) -> type:
    made = strawberry.input(type("Input", (), {"__annotations__": {"x": annotation}, "x": None}))
    return resolving(str, value=made)


def inheriting_input(rule: Any) -> type:
    rule = ADMIN if isinstance(rule, Policy) else rule  # a policy is a router's business
    base = strawberry.input(type("Base", (), {"__annotations__": {"x": int}}), directives=[rule])
    made = strawberry.input(type("Input", (base,), {"__annotations__": {"y": int}}))
    return resolving(str, value=made)


def enum_with(rule: Any) -> type:
    class Colour(Enum):
        RED = [rule]  # noqa: RUF012

    return resolving(strawberry.enum(Colour))


def pydantic_with(annotation: Any) -> type:
    model = pydantic.create_model("Model", x=(annotation, "x"))
    return resolving(strawberry.pydantic.type(model))


def undecorated_between(rule: Any) -> type:
    between = type("Between", (Plain,), {"__annotations__": {"x": Annotated[int, strawberry.field(directives=[rule])]}})
    return strawberry.type(type("Query", (between,), {}))


async def events() -> AsyncGenerator[int, None]:
    yield 1


PLACES: dict[str, Callable[[Any], type]] = {
    "attribute": lambda rule: annotated(Annotated[str, rule], ""),
    "inside an optional": lambda _: annotated(Annotated[str, ADMIN] | None),
    "inside a list": lambda rule: annotated(list[Annotated[str, rule]], strawberry.UNSET),
    "in a list of metadata": lambda rule: annotated(Annotated[str | None, "doc", [rule]]),
    "argument of a generic type": lambda rule: resolving(Box[Annotated[str, rule]]),
    "object behind it": lambda rule: resolving(Annotated[Plain, rule]),
    "resolver's return type": lambda rule: resolving(Annotated[str, rule]),
    "field in a resolver's return type": lambda rule: resolving(Annotated[str, strawberry.field(directives=[rule])]),
    "argument": lambda rule: resolving(str, value=Annotated[int | None, rule]),
    "inside an argument": lambda rule: resolving(str, value=list[Annotated[int, rule]]),
    "argument's metadata": lambda rule: resolving(
        str, value=Annotated[int | None, strawberry.argument(metadata={"rule": rule})]
    ),
    "input field": lambda rule: input_with(Annotated[int | None, rule]),
    "input's base": inheriting_input,
    "enum's value": enum_with,
    "union": lambda rule: resolving(Annotated[Plain | Other, strawberry.union("Either"), rule]),
    "lazy type": lambda rule: resolving(Annotated["Plain", strawberry.lazy(__name__), rule]),
    "graphql_type": lambda rule: root(x=strawberry.field(resolver=lambda: "x", graphql_type=Annotated[str, rule])),
    "default": lambda rule: strawberry.type(
        type("Query", (), {"__annotations__": {"x": str}, "x": strawberry.field(default_factory=lambda: rule)})
    ),
    "field's metadata": lambda rule: root(
        x=strawberry.field(resolver=lambda: "x", graphql_type=str, metadata={"rule": rule})
    ),
    "pydantic model": lambda rule: pydantic_with(Annotated[str, rule]),
    "undecorated class between": undecorated_between,
}


REFUSED_BY_PYTHON = ("argument", "inside an argument")
"""Where an annotation must be hashable, which Strawberry's own directives are not."""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__module__.split(".")[0] + type(rule).__name__)
@pytest.mark.parametrize("place", PLACES)
def test_a_rule_that_is_not_read_stops_the_start(place: str, rule: Any) -> None:
    if rule is not ADMIN and place in REFUSED_BY_PYTHON:
        with pytest.raises(TypeError):
            PLACES[place](rule)
        return
    query = PLACES[place](rule)
    settings = ScopeEnforcement(fail_on_undeclared=False)
    with pytest.raises(RuleError, match=r": (a rule stands here|a rule cannot be enforced here)"):
        ScopedSchema(query, scopes=settings)


def test_where_strawberry_reads_a_field_in_an_annotation_the_rule_counts() -> None:
    query = annotated(Annotated[str | None, strawberry.field(directives=[ADMIN])])
    assert scope_report(ScopedSchema(query)) == {"Query.x": "admin"}


def test_the_error_says_where_and_what_to_write() -> None:
    query = annotated(Annotated[str | None, ADMIN])
    with pytest.raises(RuleError, match=r"^Query\.x: .*strawberry\.field\(directives=\[requires_scopes"):
        ScopedSchema(query)


def test_a_rule_in_a_scalars_type_stops_the_start() -> None:
    name = NewType("name", Annotated[str, ADMIN])
    config = StrawberryConfig(scalar_map={name: strawberry.scalar(name="Name")})
    with pytest.raises(RuleError, match=r"^Query\.x: "):
        ScopedSchema(resolving(name), config=config)


def test_metadata_that_is_no_rule_is_left_alone() -> None:
    query = annotated(Annotated[str | None, "doc", ["x"], {"y": 1}])
    assert ScopedSchema(query, scopes=ScopeEnforcement(public=["Query"]))
