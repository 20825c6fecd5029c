"""The same for Apollo Federation: Strawberry prints ``@requiresScopes`` and ``@authenticated``, this enforces them."""

from collections.abc import Iterable, Mapping

from graphql import GraphQLDirective
from strawberry import federation
from strawberry.federation.schema import FederationAny
from strawberry.federation.schema_directives import RequiresScopes as FederationRequiresScopes
from strawberry.types.info import Info

from .analysis import Denial
from .decision import ERRORS_MAX, DenialError, cut_error
from .directives import RequiresScopes
from .schema import ScopedSchema


class ScopedFederationSchema(ScopedSchema, federation.Schema):
    """``strawberry.federation.Schema`` with ``scopes``. Federation's own options are those of version 2.11."""

    def _collect_graphql_directives(self, schema_directive_types: Iterable[type]) -> tuple[GraphQLDirective, ...]:
        """As Strawberry's, where our ``@requiresScopes`` and Federation's may stand in one schema.

        They mean the same; of the two definitions the schema has Federation's, which routers know.
        """
        types = list(schema_directive_types)
        if FederationRequiresScopes in types:
            types = [one for one in types if one is not RequiresScopes]
            known = self._schema_graphql_directives
            self._schema_graphql_directives = {**known, RequiresScopes: known[FederationRequiresScopes]}
        return super()._collect_graphql_directives(types)

    def entities_resolver(self, info: Info, representations: list[FederationAny]) -> list[FederationAny]:
        """As Strawberry's, but for nobody a value of a type is made whose own rule they do not satisfy.

        The caller names the types, in the argument, so the selection says nothing about them: else a protected type's
        ``resolve_reference`` would run for whoever selects another type's fields. A denied representation is null, with
        an error at its place.
        """
        names = [_type_named_by(one) for one in representations]  # Strawberry takes them out of the representations
        denials = self._denials(info, names)
        allowed = [one for one, name in zip(representations, names, strict=True) if name not in denials]
        resolved = iter(super().entities_resolver(info, allowed))
        told = 0
        answers: list[FederationAny] = []
        for index, name in enumerate(names):
            denial = denials.get(name or "")
            if denial is None:
                answers.append(next(resolved))
                continue
            path = [*info.path.as_list(), index]
            told += 1
            if told <= ERRORS_MAX:
                caller = self.caller(info.context)
                error: object = DenialError(denial.coordinate, denial.rule, caller, [denial.node], path)
            else:
                error = cut_error() if told == ERRORS_MAX + 1 else None
            answers.append(FederationAny(error))
        return answers

    def _denials(self, info: Info, names: Iterable[str | None]) -> dict[str, Denial]:
        """The named types that the caller may not have, none in a dry run."""
        caller = self.caller(info.context)
        node = info._raw_info.field_nodes[0]
        path = tuple(str(key) for key in info.path.as_list())
        denials = {}
        for name in dict.fromkeys(names):
            rule = self.rulebook.types.get(name or "")
            if name is not None and rule is not None and (caller is None or not rule.allows(caller.scopes)):
                denials[name] = Denial(name, "__typename", rule, (rule,), path, node, certain=True)
        return {} if denials and self._enforcer.only_reports(list(denials.values()), caller) else denials


def _type_named_by(representation: object) -> str | None:
    """The type of a representation; None for what is none, which Strawberry refuses by itself."""
    name = representation.get("__typename") if isinstance(representation, Mapping) else None
    return name if isinstance(name, str) else None
