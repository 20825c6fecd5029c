"""Cost of an operation: the bound that every list field declares, summed over the operation's selections.

Every list field says how many items it can hold, by ``@listSize`` (the GraphQL Cost Directives specification,
ibm.github.io/graphql-specs/cost-spec.html); a schema with a list field that does not fails to build. Each object costs
1, and so does a JSON value. Ten fields cost 1, and so do ten items of a list of scalars, or ten rows of a page: the
database reads them whether anything is selected of them or not. Selections count once for each object they are on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)
from strawberry.schema_directive import Location

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.page import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, page_request
from spacekey.domain.product import Product
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.resolvers.tokens.usage import checked_days
from spacekey.resolvers.validation import GRANTS_MAX
from spacekey.resolvers.workspaces.figures import checked_limit
from spacekey.resolvers.workspaces.roles import ROLES_MAX

PARTS_PER_COST = 10
"""Parts of which a cost of 1 consists, the cost of an object. A field, an item of a list of scalars, and a row that is
read for a page cost one part each: producing one takes 3 to 5 µs, an object with its row 25 to 60 µs."""

MUTATION_COST = 200
"""What a mutation costs besides its answer: a transaction with its audit row takes as long as some 200 objects."""

WORK: Mapping[str, int] = {
    "Query.requiredScopes": 12_000,
    "Query.tokens": 200,
    "Space.tokensCount": 100,
    "Workspace.tokensCount": 100,
    "Workspace.tokenQuota": 100,
    "Workspace.usage": 200,
    "Workspace.busiestTokens": 200,
}
"""Fields that work more than they answer: validating another document takes as long as a large one, counting 10,000
tokens 5 ms, and a page of the tokens of 500 workspaces reads a row of each."""

JSON_TYPE = "JSON"
"""The scalar whose values are objects."""

INTROSPECTION = frozenset({"__schema", "__type"})
_INTROSPECTION_LISTS = frozenset(
    {"types", "fields", "args", "inputFields", "enumValues", "interfaces", "possibleTypes", "directives", "locations"}
)


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description="At most how many items the list holds; the cost of an operation is computed with it.",
)
class ListSize:
    """The bound of a list field.

    :ivar assumed_size: the most items; for a page, the default page size.
    :ivar slicing_arguments: the arguments that choose the number of items.
    :ivar sized_fields: fields of the returned object whose lists have that many items.
    """

    assumed_size: int
    slicing_arguments: list[str] | None = strawberry.UNSET
    sized_fields: list[str] | None = strawberry.UNSET


def at_most(size: int) -> ListSize:
    """Return the bound of a list without pages."""
    return ListSize(assumed_size=size)


def paged() -> ListSize:
    """Return the bound of a Relay connection: ``first`` or ``last``, 20 without either."""
    return ListSize(
        assumed_size=PAGE_SIZE_DEFAULT, slicing_arguments=["first", "last"], sized_fields=["edges", "nodes"]
    )


@dataclass(frozen=True, slots=True)
class Bound:
    """Bound of one list field, as costs are computed with it."""

    assumed: int
    slicing: frozenset[str] = frozenset()
    sized: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a selection, its cost in parts."""

    depth: int = 0
    aliases: int = 0
    parts: int = 0
    introspection: int = 0
    introspections: int = 0

    def __add__(self, other: Size) -> Size:
        """Return the size of two selections side by side: the larger depth, and the sums of the rest."""
        return Size(
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.parts + other.parts,
            self.introspection + other.introspection,
            self.introspections + other.introspections,
        )

    @property
    def cost(self) -> int:
        """Return the cost, rounded up."""
        return -(-self.parts // PARTS_PER_COST)


class CostModel:
    """Bounds of all lists of a schema, read once when it is built.

    :raises ConfigurationError: naming every list field without a bound.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.bounds = _declared(schema)
        missing = _unbounded(schema, self.bounds)
        if missing:
            raise ConfigurationError(
                f"these list fields declare no bound: {', '.join(missing)}; add directives=[at_most(…)] or [paged()]"
            )
        self.introspection = IntrospectionSizes(schema)
        self._loaded: tuple[Mapping[str, Product], Mapping[str, int]] | None = None

    def loaded(self, products: Mapping[str, Product] | None) -> Mapping[str, int]:
        """Return the sizes of the lists whose length the loaded products decide, by coordinate."""
        if products is None:
            return {}
        if self._loaded is None or self._loaded[0] is not products:
            self._loaded = (products, product_sizes(products.values()))
        return self._loaded[1]


class Measure:
    """Measures selections of one document under one request's variables.

    Fragments are measured once for each number of rows they stand below, so a bomb of nested fragments costs no more
    than its text. Selections under ``@skip`` count too.

    :param loaded: see :meth:`CostModel.loaded`; None to use the declared bounds.
    :ivar fault: the first field whose numbers its resolver would refuse, with the refusal; None if there is none.
    """

    def __init__(
        self,
        model: CostModel,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        loaded: Mapping[str, int] | None = None,
    ) -> None:
        self._model = model
        self._fragments = fragments
        self._variables = variables
        self._loaded = loaded or {}
        self._known: dict[tuple[str, str, _Page], Size] = {}
        self.fault: tuple[FieldNode, InvalidInput] | None = None

    def of(self, selections: SelectionSetNode | None, parent: GraphQLNamedType | None) -> Size:
        """Return the size of the selections on a value of the type ``parent``."""
        return self._selections(selections, parent, _NO_PAGE)

    def _selections(self, selections: SelectionSetNode | None, parent: GraphQLNamedType | None, page: _Page) -> Size:
        total = Size()
        for node in selections.selections if selections is not None else ():
            total += self._node(node, parent, page)
        return total

    def _node(self, node: SelectionNode, parent: GraphQLNamedType | None, page: _Page) -> Size:
        if isinstance(node, FieldNode):
            return self._field(node, parent, page)
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value, parent, page)
        if isinstance(node, InlineFragmentNode):
            return self._selections(node.selection_set, self._narrowed(node, parent), page)
        return Size()

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, page: _Page) -> Size:
        name, aliased = node.name.value, int(node.alias is not None)
        if name in INTROSPECTION:
            depth, values = self._model.introspection.of(node, self._fragments)
            return Size(depth + 1, aliased + _aliases(node.selection_set), PARTS_PER_COST, values, 1)
        field = _field_of(parent, name)
        if parent is None or field is None:  # __typename, and fields that validation has refused
            return Size(1, aliased, 1)
        coordinate = f"{parent.name}.{name}"
        if node.arguments and self.fault is None:
            self._check_numbers(node, field)
        items = self._items(node, field, coordinate, page)
        own = 1 + PARTS_PER_COST * WORK.get(coordinate, MUTATION_COST if self._is_mutation(parent) else 0)
        read = items.rows if coordinate in self._model.bounds else 0
        named = get_named_type(field.type)
        if is_composite_type(named):
            inner = self._selections(node.selection_set, named, items.page)
            produced = items.times * (PARTS_PER_COST + inner.parts)
        else:
            inner = Size()
            produced = items.times * PARTS_PER_COST if named.name == JSON_TYPE else 0
        return Size(
            inner.depth + 1,
            inner.aliases + aliased,
            own + read + produced,
            inner.introspection,
            inner.introspections,
        )

    def dearest(self, selections: SelectionSetNode | None, parent: GraphQLNamedType | None) -> list[str]:
        """Return the path to the innermost list that causes at least half of the cost; empty if there is none."""
        total = self.of(selections, parent).parts
        path: list[str] = []
        dearest: list[str] = []
        page, times = _NO_PAGE, 1
        while selections is not None and selections.selections:
            node = max(selections.selections, key=lambda one: self._node(one, parent, page).parts)
            if 2 * times * self._node(node, parent, page).parts < total:
                break
            if isinstance(node, FieldNode):
                name = node.name.value
                field = _field_of(parent, name)
                if parent is None or field is None:
                    break
                path.append(name)
                coordinate = f"{parent.name}.{name}"
                if coordinate in self._model.bounds:
                    dearest = list(path)
                items = self._items(node, field, coordinate, page)
                selections, parent, page = node.selection_set, get_named_type(field.type), items.page
                times *= items.times
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments.get(node.name.value)
                if fragment is None:
                    break
                parent = self._model.schema.type_map.get(fragment.type_condition.name.value, parent)
                selections = fragment.selection_set
            elif isinstance(node, InlineFragmentNode):
                selections, parent = node.selection_set, self._narrowed(node, parent)
        return dearest

    def _check_numbers(self, node: FieldNode, field: GraphQLField) -> None:
        """Check the numbers of an output field as its resolver will.

        It would refuse them after the mutation that they stand below.
        """
        numbers = {
            one.name.value: self._number(one.value) for one in node.arguments or () if one.name.value in field.args
        }
        try:
            page_request(numbers.get("first"), None, numbers.get("last"), None)
            if numbers.get("days") is not None:
                checked_days(numbers["days"] or 0)
            if numbers.get("limit") is not None:
                checked_limit(numbers["limit"] or 0)
        except InvalidInput as error:
            self.fault = (node, error)

    def _number(self, value: ValueNode) -> int | None:
        """Return a whole number in the document or a variable; None for anything else."""
        if isinstance(value, IntValueNode):
            return int(value.value)
        found = self._variables.get(value.name.value) if isinstance(value, VariableNode) else None
        return found if isinstance(found, int) else None

    def _is_mutation(self, parent: GraphQLNamedType) -> bool:
        return parent is self._model.schema.mutation_type

    def _items(self, node: FieldNode, field: GraphQLField, coordinate: str, page: _Page) -> _Items:
        """Return how many values the field has, and how many rows are read for it."""
        bound = self._model.bounds.get(coordinate)
        rows = 1 if bound is None else self._rows(node, field, coordinate, bound)
        inner = _Page(bound.sized, rows) if bound is not None and bound.sized else _NO_PAGE
        times = page.rows if node.name.value in page.sized else 1 if inner is not _NO_PAGE else rows
        return _Items(rows, times, inner)

    def _fragment(self, name: str, parent: GraphQLNamedType | None, page: _Page) -> Size:
        key = (name, "" if parent is None else parent.name, page)
        if key not in self._known:
            # Validation has refused cycles before this runs; the entry keeps even a cycle finite.
            self._known[key] = Size()
            fragment = self._fragments.get(name)
            if fragment is not None:
                narrowed = self._model.schema.type_map.get(fragment.type_condition.name.value, parent)
                self._known[key] = self._selections(fragment.selection_set, narrowed, page)
        return self._known[key]

    def _narrowed(self, node: InlineFragmentNode, parent: GraphQLNamedType | None) -> GraphQLNamedType | None:
        if node.type_condition is None:
            return parent
        return self._model.schema.type_map.get(node.type_condition.name.value, parent)

    def _rows(self, node: FieldNode, field: GraphQLField, coordinate: str, bound: Bound) -> int:
        asked = [self._asked(node, field, name, bound) for name in bound.slicing]
        sizes = [size for size in asked if size is not None]
        if sizes:
            return max(sizes)
        return min(bound.assumed, self._loaded.get(coordinate, bound.assumed))

    def _asked(self, node: FieldNode, field: GraphQLField, name: str, bound: Bound) -> int | None:
        """Return how many items an argument asks for; None if it is left out or null. Resolvers refuse too many."""
        most = PAGE_SIZE_MAX if bound.sized else bound.assumed
        value: object = field.args[name].default_value
        for argument in node.arguments or ():
            if argument.name.value == name:
                if isinstance(argument.value, NullValueNode):
                    return None
                if isinstance(argument.value, IntValueNode):
                    value = int(argument.value.value)
                elif isinstance(argument.value, VariableNode):
                    # Not a whole number, or left out: it may have a default in the document, so the most counts.
                    value = self._variables.get(argument.value.name.value, most)
                    value = value if isinstance(value, int) else most
        return min(max(value, 1), most) if isinstance(value, int) else None


class IntrospectionSizes:
    """Estimate of how many values an introspection answers, from the lists of this schema, counted once.

    Below ``types`` a list has the average length, because all types are answered; elsewhere that of the longest.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        types = list(schema.type_map.values())
        fields = [len(one.fields) if isinstance(one, GraphQLObjectType | GraphQLInterfaceType) else 0 for one in types]
        arguments = [
            len(field.args)
            for one in types
            if isinstance(one, GraphQLObjectType | GraphQLInterfaceType)
            for field in one.fields.values()
        ]
        inputs = [len(one.fields) if isinstance(one, GraphQLInputObjectType) else 0 for one in types]
        enums = [len(one.values) if isinstance(one, GraphQLEnumType) else 0 for one in types]
        unions = [
            len(schema.get_possible_types(one)) if isinstance(one, GraphQLInterfaceType | GraphQLUnionType) else 0
            for one in types
        ]
        interfaces = [
            len(one.interfaces) if isinstance(one, GraphQLObjectType | GraphQLInterfaceType) else 0 for one in types
        ]
        counted = {
            "types": [len(types)],
            "fields": fields,
            "args": arguments,
            "inputFields": inputs,
            "enumValues": enums,
            "possibleTypes": unions,
            "interfaces": interfaces,
            "directives": [len(schema.directives)],
            "locations": [8],
        }
        self.longest = {name: max([1, *sizes]) for name, sizes in counted.items()}
        self.average = {name: -(-sum(sizes) // max(1, len(sizes))) or 1 for name, sizes in counted.items()}

    def of(self, node: FieldNode, fragments: Mapping[str, FragmentDefinitionNode]) -> tuple[int, int]:
        """Return the depth below the field and the values of its answer."""
        return self._below(node.selection_set, fragments, {}, all_types=False)

    def _below(
        self,
        selections: SelectionSetNode | None,
        fragments: Mapping[str, FragmentDefinitionNode],
        known: dict[tuple[str, bool], tuple[int, int]],
        *,
        all_types: bool,
    ) -> tuple[int, int]:
        depth = values = 0
        for node in selections.selections if selections is not None else ():
            if isinstance(node, FieldNode):
                name = node.name.value
                below_all = name == "types" or (all_types and name in _INTROSPECTION_LISTS)
                inner_depth, inner = self._below(node.selection_set, fragments, known, all_types=below_all)
                sizes = self.average if all_types else self.longest
                times = sizes.get(name, 1) if name in _INTROSPECTION_LISTS else 1
                found = (inner_depth + 1, times * (1 + inner))
            elif isinstance(node, FragmentSpreadNode):
                key = (node.name.value, all_types)
                if key not in known:
                    known[key] = (0, 0)
                    fragment = fragments.get(node.name.value)
                    known[key] = self._below(
                        None if fragment is None else fragment.selection_set, fragments, known, all_types=all_types
                    )
                found = known[key]
            else:
                found = self._below(getattr(node, "selection_set", None), fragments, known, all_types=all_types)
            depth, values = max(depth, found[0]), values + found[1]
        return depth, values


def product_sizes(products: Iterable[Product]) -> dict[str, int]:
    """Return the longest list of each kind in these products, by the coordinate that answers it."""
    listed = list(products)

    def longest(*sizes: int) -> int:
        return max((0, *sizes))

    scopes = longest(*(len(one.known_scopes) for one in listed))
    roles = longest(*(len(one.roles) for one in listed))
    return {
        "Query.products": len(listed),
        "Me.workspaceProducts": len(listed),
        "Me.scopes": len(frozenset(MANAGEMENT_SCOPES).union(*(one.known_scopes for one in listed))),
        "Product.scopes": scopes,
        "Product.shorthands": longest(*(len(one.shorthands) for one in listed)),
        "Product.presets": longest(*(len(one.presets) for one in listed)),
        "Product.useCases": longest(*(len(one.use_cases) for one in listed)),
        "Product.roles": roles,
        "Presentation.links": longest(*(len(one.presentation.links) for one in listed)),
        "Presentation.texts": longest(*(len(one.presentation.texts) for one in listed)),
        "Product.plans": longest(*(len(one.plans) for one in listed)),
        "Product.tokenRoles": roles,
        "Shorthand.scopes": scopes,
        "Preset.scopes": scopes,
        "Plan.scopes": scopes,
        "Role.scopes": scopes,
        "Role.grants": longest(GRANTS_MAX, *(len(role.grants) for one in listed for role in one.roles.values())),
        "Token.scopes": scopes,
        "Token.unusedScopes": scopes,
        "Workspace.viewerScopes": scopes,
        "Workspace.roles": max(roles, ROLES_MAX),
        "ScopeNotAllowed.scopes": scopes,
    }


@dataclass(frozen=True, slots=True)
class _Page:
    """Fields of a connection that hold its rows, and the number of rows."""

    sized: frozenset[str]
    rows: int


_NO_PAGE = _Page(frozenset(), 1)


@dataclass(frozen=True, slots=True)
class _Items:
    """Number of rows that are read for a field, of its values, and the page that it is, if it is one."""

    rows: int
    times: int
    page: _Page


def _declared(schema: GraphQLSchema) -> dict[str, Bound]:
    """Return all bounds by the coordinates of their fields."""
    found = {}
    for parent, name, field in _fields(schema):
        strawberry_field = (field.extensions or {}).get("strawberry-definition")
        for one in getattr(strawberry_field, "directives", ()):
            if isinstance(one, ListSize):
                found[f"{parent.name}.{name}"] = Bound(
                    one.assumed_size, frozenset(one.slicing_arguments or ()), frozenset(one.sized_fields or ())
                )
    return found


def _unbounded(schema: GraphQLSchema, bounds: Mapping[str, Bound]) -> list[str]:
    """Return the list fields that declare no bound, and are not sized by every field that returns their type."""
    fields = list(_fields(schema))
    returning: dict[str, list[str]] = {}
    for parent, name, field in fields:
        returning.setdefault(get_named_type(field.type).name, []).append(f"{parent.name}.{name}")
    return [
        f"{parent.name}.{name}"
        for parent, name, field in fields
        if is_list_type(get_nullable_type(field.type))
        and f"{parent.name}.{name}" not in bounds
        and not _sized_by_all(name, [bounds.get(one) for one in returning.get(parent.name, [])])
    ]


def _sized_by_all(name: str, bounds: list[Bound | None]) -> bool:
    return bool(bounds) and all(one is not None and name in one.sized for one in bounds)


def _fields(schema: GraphQLSchema) -> Iterable[tuple[GraphQLObjectType | GraphQLInterfaceType, str, GraphQLField]]:
    for one in schema.type_map.values():
        if isinstance(one, GraphQLObjectType | GraphQLInterfaceType) and not one.name.startswith("__"):
            for name, field in one.fields.items():
                yield one, name, field


def _field_of(parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        found: GraphQLField | None = parent.fields.get(name)
        return found
    return None


def _aliases(selections: SelectionSetNode | None) -> int:
    """Return how often fields are aliased directly below an introspection; fragments there are counted once."""
    count = 0
    for node in selections.selections if selections is not None else ():
        count += int(isinstance(node, FieldNode) and node.alias is not None)
        count += _aliases(getattr(node, "selection_set", None))
    return count
