"""The directive ``@requiresScopes`` that puts a rule on a field, an object or an interface.

Its argument has the shape of Apollo Federation's directive of the same name (specification v2.5):
``[["a", "b"], ["c"]]`` is (a and b) or c, ``[]`` is never satisfied, ``[[]]`` by any valid principal.
"""

from strawberry.schema_directive import Location, schema_directive

from spacekey.domain.rule import Rule, all_of


@schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT, Location.INTERFACE],
    name="requiresScopes",
    description="The scopes a caller must hold: any one of the inner lists, all of its scopes.",
)
class RequiresScopes:
    """The directive itself. :func:`requires_scopes` is the usual way to make one."""

    scopes: list[list[str]]

    def __hash__(self) -> int:
        """Make ``Annotated[str, requires_scopes(…)]`` a value like any other, so that the start can refuse it."""
        return hash(repr(self.scopes))


def requires_scopes(*parts: str | Rule) -> RequiresScopes:
    """The directive for ``strawberry.field(directives=[…])``, ``@strawberry.type`` and ``@strawberry.interface``.

    :param parts: scopes or rules, all of which must hold; none means any valid principal.
    :raises RuleError: for a string that is not a scope name.
    """
    return RequiresScopes(scopes=all_of(*parts).as_lists())
