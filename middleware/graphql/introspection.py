"""Bounds on the introspection of one operation: how often it may ask, and for how much.

Introspection stays available to every caller, so its answer must not be a way to keep a server busy: a document of
some hundred characters can ask for the whole schema a dozen times, or for the fields of the types of the fields of the
types. The unit of measure is the usual introspection query of tools, on the same schema.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_introspection_query,
    is_abstract_type,
    parse,
)

from .operations import Conditions

TIMES_MAX = 2
"""``__schema`` and ``__type`` fields in one operation."""

COST_MAX = 2
"""Cost of one operation's introspection, in usual introspection queries."""

DEPTH_MAX = 200
"""Nested selection sets, as in :mod:`.analysis`."""


class IntrospectionBounds:
    """Cost that introspection may have on one schema.

    A field costs 1, and its selections once for each object that it may return.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        kinds = schema.type_map.values()
        composite = [one for one in kinds if isinstance(one, GraphQLObjectType | GraphQLInterfaceType)]
        fields = [field for one in composite for field in one.fields.values()]
        self.rows: Mapping[str, int] = {
            "types": len(schema.type_map),
            "directives": len(schema.directives),
            "fields": max((len(one.fields) for one in composite), default=0),
            "interfaces": max((len(one.interfaces) for one in composite), default=0),
            "args": max((len(one.args) for one in (*fields, *schema.directives)), default=0),
            "possibleTypes": max(
                (len(schema.get_possible_types(one)) for one in kinds if is_abstract_type(one)), default=0
            ),
            "enumValues": max((len(one.values) for one in kinds if isinstance(one, GraphQLEnumType)), default=0),
            "inputFields": max(
                (len(one.fields) for one in kinds if isinstance(one, GraphQLInputObjectType)), default=0
            ),
        }
        usual = parse(
            get_introspection_query(
                specified_by_url=True,
                directive_is_repeatable=True,
                schema_description=True,
                input_value_deprecation=True,
            )
        )
        fragments = {one.name.value: one for one in usual.definitions if isinstance(one, FragmentDefinitionNode)}
        [operation] = [one for one in usual.definitions if isinstance(one, OperationDefinitionNode)]
        usual_cost = IntrospectionCost(self, fragments, Conditions(schema, operation, {}))
        self.cost_max = COST_MAX * usual_cost.of(operation.selection_set, 0)


class IntrospectionCost:
    """Introspection of one operation, added up."""

    def __init__(
        self, bounds: IntrospectionBounds, fragments: Mapping[str, FragmentDefinitionNode], conditions: Conditions
    ) -> None:
        self._bounds = bounds
        self._fragments = fragments
        self._conditions = conditions
        self._costs: dict[str, int] = {}
        self._times = self._spent = 0

    def add(self, node: FieldNode) -> None:
        """Add a field that no type of the schema has.

        :raises GraphQLError: if the operation asks for introspection too often, or for too much of it.
        """
        if node.name.value not in ("__schema", "__type"):
            return
        self._times += 1
        if self._times > TIMES_MAX:
            raise GraphQLError(f"An operation may ask for __schema and __type at most {TIMES_MAX} times.", node)
        self._spent += self.of(node.selection_set, 0)
        if self._spent > self._bounds.cost_max:
            raise GraphQLError("The operation asks for too much of the schema at once. Nest less deeply.", node)

    def of(self, selection_set: SelectionSetNode | None, depth: int) -> int:
        """Return the cost of a selection set. Each fragment is measured once."""
        if selection_set is None:
            return 0
        if depth > DEPTH_MAX:
            raise GraphQLError("The operation is nested too deeply to be checked.", selection_set)
        cost = 0
        for selection in selection_set.selections:
            if selection.directives and self._conditions.excludes(selection.directives):
                continue
            if isinstance(selection, FragmentSpreadNode):
                cost += self._of_fragment(selection.name.value, depth)
                continue
            inner = self.of(getattr(selection, "selection_set", None), depth + 1)
            if isinstance(selection, FieldNode):
                cost += 1 + self._bounds.rows.get(selection.name.value, 1) * inner
            else:
                cost += inner
        return cost

    def _of_fragment(self, name: str, depth: int) -> int:
        if name not in self._costs:
            self._costs[name] = 0  # keeps a cycle finite if validation is turned off
            fragment = self._fragments.get(name)
            self._costs[name] = self.of(None if fragment is None else fragment.selection_set, depth + 1)
        return self._costs[name]
