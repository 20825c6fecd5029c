"""The same for Apollo Federation: Strawberry prints ``@requiresScopes`` and ``@authenticated``, this enforces them."""

from strawberry import federation

from .schema import ScopedSchema


class ScopedFederationSchema(ScopedSchema, federation.Schema):
    """``strawberry.federation.Schema`` with ``scopes``. Federation's own options are those of version 2.11."""
