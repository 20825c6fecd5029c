"""The same for Apollo Federation: Strawberry prints ``@requiresScopes`` and ``@authenticated``, this enforces them."""

from collections.abc import Iterable, Mapping

from strawberry import federation
from strawberry.federation.schema import FederationAny
from strawberry.types.info import Info

from .denial_error import DenialError
from .schema import ScopedSchema
from .walk import Denial


class ScopedFederationSchema(ScopedSchema, federation.Schema):
    """``strawberry.federation.Schema`` with ``scopes``. Federation's own options are those of version 2.11."""

    def entities_resolver(self, info: Info, representations: list[FederationAny]) -> list[FederationAny]:
        """As Strawberry's, but for nobody a value of a type is made whose own rule they do not satisfy.

        The caller names the types, in the argument, so the selection says nothing about them: else a protected type's
        ``resolve_reference`` would run for whoever selects another type's fields. A denied representation is null,
        and the first of each type an error.
        """
        names = [_type_named_by(one) for one in representations]  # Strawberry takes them out of the representations
        denials = self._denials(info, names)
        allowed = [one for one, name in zip(representations, names, strict=True) if name not in denials]
        resolved = iter(super().entities_resolver(info, allowed))
        told: set[str] = set()
        answers: list[FederationAny] = []
        for index, name in enumerate(names):
            denial = denials.get(name or "")
            if denial is None:
                answers.append(next(resolved))
                continue
            path = [*info.path.as_list(), index]
            error = DenialError(denial, self.caller(info.context), [denial.node], path)
            answers.append(FederationAny(None if denial.type_name in told else error))
            told.add(denial.type_name)
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
