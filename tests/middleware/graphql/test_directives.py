"""``@requiresScopes`` means what its lists say, and anything else in a list of directives stops the start."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator
from collections.abc import Callable
from enum import Enum
from re import escape
from typing import Annotated, Any, Generic, NewType, TypeVar

import pydantic
import pytest
import strawberry
from strawberry import federation
from strawberry.federation.schema_directives import Authenticated, Policy, Shareable
from strawberry.federation.schema_directives import RequiresScopes as FederationRequiresScopes
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.schema_directive import Location

from spacekey import any_of, requires
from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.middleware.graphql import (
    RequiresScopes,
    ScopedFederationSchema,
    ScopedSchema,
    ScopeEnforcement,
    required_scopes,
    requires_scopes,
    scope_report,
)
from support.graphql.places import RULED, UNRULED, root


def schema_with(*directives: object, **settings: Any) -> ScopedSchema:
    """A schema whose one field carries the directives."""

    @strawberry.type
    class Query:
        secret: str = strawberry.field(directives=directives, default="secret")

    return ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False, **settings))


@pytest.mark.parametrize(
    ("scopes", "rule"),
    [([], "never"), ([[]], "any valid token"), ([["a", "b"], ["c"]], "(a and b) or (c)"), ([["a"], ["a", "b"]], "a")],
)
def test_a_directive_means_what_its_lists_say(scopes: list[list[str]], rule: str) -> None:
    schema = schema_with(RequiresScopes(scopes=scopes))
    assert scope_report(schema.rulebook) == {"Query.secret": rule}


@pytest.mark.parametrize(
    "scopes", [[[""]], [["a", ""]], [["A b"]], ["a"], "a", [["a\u00e9"]], [[None]], None, [None], 3, [[["a"]]]]
)
def test_a_directive_that_is_no_rule_stops_the_start_and_names_its_field(scopes: Any) -> None:
    with pytest.raises(RuleError, match=r"^Query\.secret: "):
        schema_with(RequiresScopes(scopes=scopes))


def test_two_rules_on_one_field_stop_the_start() -> None:
    with pytest.raises(RuleError, match="is declared twice"):
        schema_with(requires_scopes("a"), requires_scopes("b"))


def test_policy_stops_the_start_unless_a_router_answers_for_it() -> None:
    @federation.type
    class Query:
        secret: str = federation.field(policy=[["x"]], default="secret")

    with pytest.raises(RuleError, match=r"Query\.secret: @policy cannot be enforced here"):
        ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))
    schema = ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False, ignore_policy=True))
    assert scope_report(schema.rulebook)["Query.secret"] == "public"


def test_a_scoped_federation_schema_honours_federations_own_directives() -> None:
    @federation.enum(requires_scopes=[["colours:read"]])
    class Colour(Enum):
        RED = "red"

    @federation.type(authenticated=True)
    class Box:
        colour: Colour = Colour.RED
        label: str = federation.field(requires_scopes=[["labels:read"]], default="x")

    @federation.type
    class Query:
        box: Box | None = None
        both: str = federation.field(authenticated=True, requires_scopes=[["a"], ["b"]], default="x")
        session: str = federation.field(authenticated=True, default="x")

    report = scope_report(ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)).rulebook)
    assert {name: rule for name, rule in report.items() if not name.partition(".")[2].startswith(("_", "sdl"))} == {
        "Box.colour": "colours:read",
        "Box.label": "labels:read",
        "Query.both": "(a) or (b)",
        "Query.box": "any valid token",
        "Query.session": "any valid token",
    }


def test_federations_empty_list_never_reaches_us_and_counts_as_undeclared() -> None:
    """Strawberry drops it; the directive itself says what the list would have said."""

    @federation.type
    class Query:
        dropped: str = federation.field(requires_scopes=[], default="x")
        never: str = federation.field(directives=[RequiresScopes(scopes=[])], default="x")

    report = scope_report(ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)))
    assert (report["Query.dropped"], report["Query.never"]) == ("public", "never")
    with pytest.raises(ConfigurationError, match=r"Query\.dropped$"):
        ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=True))


WRONG: dict[str, Any] = {
    "the decorator of routes": requires("a:b"),
    "a rule": any_of("a:b"),
    "a scope": "a:b",
    "the call forgotten": requires_scopes,
    "the class": RequiresScopes,
    "a class of Strawberry's": Shareable,
    "the lists": [["a:b"]],
    "nothing": None,
}


@strawberry.schema_directive(locations=list(Location))
class Internal:
    """A directive of the app's own."""

    why: str = "because"


class Secretly(Internal):
    """Another spelling of the same directive."""


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_what_is_no_directive_stops_the_start_with_the_field_and_the_cure(wrong: Any) -> None:
    @strawberry.type
    class Query:
        @strawberry.field(directives=[Internal(), wrong])
        def x(self) -> str:
            return "leak"

    message = r"^Query\.x: directives holds .*requires_scopes\('jobs:read'\)"
    with pytest.raises(RuleError, match=message):
        ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))
    with pytest.raises(RuleError, match=message):
        ScopedSchema(
            Query, config=StrawberryConfig(sort_schema=True), scopes=ScopeEnforcement(fail_on_undeclared=False)
        )
    with pytest.raises(RuleError, match=message):
        required_scopes(strawberry.Schema(Query), "{ x }")


@pytest.mark.parametrize("place", [*RULED, *UNRULED])
def test_it_stops_the_start_wherever_a_directive_can_stand(place: str) -> None:
    make = (RULED | UNRULED)[place]
    for wrong in (requires("a:b"), "a:b", RequiresScopes):
        with pytest.raises(RuleError, match=f"^{escape(place)}: directives holds"):
            make([wrong])


@pytest.mark.parametrize("place", [*RULED, *UNRULED])
def test_directives_of_others_stand_everywhere(place: str) -> None:
    assert (RULED | UNRULED)[place]([Internal(), Secretly(why="so")])


def test_directives_that_can_be_read_only_once_stop_the_start() -> None:
    """Strawberry reads them first, and nothing would be left of them for the check."""

    once: Any = iter([requires_scopes("a")])

    @strawberry.type(directives=once)
    class Query:
        x: str = "leak"

    with pytest.raises(RuleError, match=r"^Query: directives is a list_iterator; write a list"):
        ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_a_value_that_is_no_directive_stops_the_start_of_a_federated_schema() -> None:
    @federation.type
    class Query:
        x: str = federation.field(directives=["a:b"], authenticated=True, default="leak")

    with pytest.raises(RuleError, match=r"^Query\.x: directives holds the str 'a:b'"):
        ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_what_strawberry_itself_puts_into_the_lists_is_welcome() -> None:
    class Members(BasePermission):
        message = "members only"

        def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
            return True

    @strawberry.input(one_of=True)
    class By:
        name: strawberry.Maybe[str]
        number: strawberry.Maybe[int]

    @strawberry.type
    class Query:
        @strawberry.field(permission_classes=[Members])
        def x(self, by: By) -> str:
            return "x"

    assert ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))

    @federation.type(keys=["id"], shareable=True, tags=["a"], inaccessible=True)
    class Box:
        id: strawberry.ID = federation.field(external=True, override="other", provides=["x"])

    @federation.type
    class Federated:
        box: Box | None = None

    assert ScopedFederationSchema(Federated, scopes=ScopeEnforcement(fail_on_undeclared=False))


@pytest.mark.parametrize("beside", ["one field", "two fields", "a type and a field"])
def test_our_directive_may_stand_beside_federations(beside: str) -> None:
    never = RequiresScopes(scopes=[])
    fields: dict[str, Any] = {"a": federation.field(requires_scopes=[["a"]], default="x"), "b": "y"}
    directives: list[Any] = []
    if beside == "one field":
        fields["a"] = federation.field(requires_scopes=[["a"]], directives=[never], default="x")
    elif beside == "two fields":
        fields["b"] = federation.field(directives=[never], default="y")
    else:
        directives = [never]
    query = federation.type(
        type("Query", (), {"__annotations__": {"a": str, "b": str}, **fields}), directives=directives
    )
    schema = ScopedFederationSchema(query, scopes=ScopeEnforcement(public=["Query.b"] if beside == "one field" else []))
    report = scope_report(schema)
    assert (report["Query.a"], report["Query.b"]) == {
        "one field": ("never", "public"),
        "two fields": ("a", "never"),
        "a type and a field": ("never", "never"),
    }[beside]
    sdl = schema.as_str()
    assert 'import: ["@requiresScopes"]' in sdl
    assert "directive @requiresScopes" not in sdl, "Federation's definition is the router's"
    assert "@requiresScopes(scopes: [])" in sdl


# A rule that stands where nothing reads it stops the start.


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
