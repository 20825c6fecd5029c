"""A rule that stands where nothing reads it stops the start."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from collections.abc import Callable
from enum import Enum
from re import escape
from typing import Annotated, Any, Generic, NewType, TypeVar

import pydantic
import pytest
import strawberry
from strawberry.federation.schema_directives import Authenticated, Policy
from strawberry.federation.schema_directives import RequiresScopes as FederationRequiresScopes
from strawberry.schema.config import StrawberryConfig
from strawberry.schema_directive import Location

from spacekey.domain.errors import RuleError
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes, scope_report
from support.graphql_places import RULED, UNRULED, root

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
    with pytest.raises(RuleError, match=r": (a rule in an annotation|a rule cannot be enforced here)"):
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


def test_a_rule_where_none_can_be_enforced_stops_the_start() -> None:
    rule = requires_scopes("a")

    @strawberry.type
    class One:
        x: int = 1

    @strawberry.type
    class Two:
        x: int = 2

    @strawberry.input(directives=[rule])
    class RuledInput:
        x: int = 1

    @strawberry.input
    class PlainInput:
        x: int = strawberry.field(directives=[rule], default=1)

    @strawberry.enum(directives=[rule])
    class RuledEnum(Enum):
        X = "x"

    @strawberry.enum
    class PlainEnum(Enum):
        X = strawberry.enum_value("x", directives=[rule])

    def union() -> Annotated[One | Two, strawberry.union("Ruled", directives=[rule])]:
        return One()

    def of_input(value: RuledInput) -> int:
        return value.x

    def of_input_field(value: PlainInput) -> int:
        return value.x

    def of_enum() -> RuledEnum:
        return RuledEnum.X

    def of_enum_value() -> PlainEnum:
        return PlainEnum.X

    def of_argument(value: Annotated[int, strawberry.argument(directives=[rule])]) -> int:
        return value

    places: dict[Callable[..., Any], str] = {
        union: "Ruled",
        of_input: "RuledInput",
        of_input_field: r"PlainInput\.x",
        of_enum: "RuledEnum",
        of_enum_value: r"PlainEnum\.X",
        of_argument: r"Query\.field\(value:\)",
    }
    for resolver, where in places.items():
        query = strawberry.type(type("Query", (), {"field": strawberry.field(resolver=resolver)}))
        with pytest.raises(RuleError, match=f"^{where}: "):
            ScopedSchema(query, scopes=ScopeEnforcement(fail_on_undeclared=False))


@strawberry.schema_directive(locations=list(Location))
class Internal:
    """A directive of the app's own."""

    why: str = "because"


@pytest.mark.parametrize("place", UNRULED)
def test_a_rule_where_nothing_enforces_it_stops_the_start(place: str) -> None:
    with pytest.raises(RuleError, match=f"^{escape(place)}: "):
        UNRULED[place]([requires_scopes("a")])


@pytest.mark.parametrize("place", RULED)
def test_a_rule_stands_on_fields_objects_and_interfaces(place: str) -> None:
    assert RULED[place]([Internal(), requires_scopes("a")])


USER = requires_scopes("user")


def report(query: type, *types: Any) -> dict[str, str]:
    """The report of a schema that asks for no declarations."""
    return scope_report(ScopedSchema(query, types=types, scopes=ScopeEnforcement(fail_on_undeclared=False)))


def made(*directives: object, name: str | None = None) -> type:
    """What a function makes: each time another class of the same qualified name."""

    @strawberry.type(name=name, directives=directives)
    class Item:
        id: int

    return Item


def with_both(first: type, second: type) -> type:
    @strawberry.type
    class Query:
        one: first | None = None  # type: ignore[valid-type]
        many: list[second] = strawberry.field(default_factory=list)  # type: ignore[valid-type]

    return Query


@pytest.mark.parametrize(("first", "second"), [((), (ADMIN,)), ((ADMIN,), ()), ((ADMIN,), (USER,))])
def test_two_classes_of_one_name_with_different_rules_are_refused(
    first: tuple[object, ...], second: tuple[object, ...]
) -> None:
    with pytest.raises(RuleError, match=r"two classes are called made\.<locals>\.Item"):
        report(with_both(made(*first), made(*second)))


def test_two_classes_of_one_name_are_fine_with_the_same_rules_or_names_of_their_own() -> None:
    assert report(with_both(made(ADMIN), made(ADMIN)))["Item.id"] == "admin"
    named = report(with_both(made(ADMIN), made(USER, name="Other")))
    assert (named["Item.id"], named["Other.id"]) == ("admin", "user")


def test_two_classes_of_one_name_are_noticed_in_unions_and_interfaces() -> None:
    @strawberry.type
    class Else:
        other: int

    @strawberry.type
    class Query:
        one: made() | None = None  # type: ignore[valid-type]
        either: Annotated[made(ADMIN) | Else, strawberry.union("Either")] | None = None  # type: ignore[valid-type]

    with pytest.raises(RuleError, match="two classes"):
        report(Query)
