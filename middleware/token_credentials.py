"""Starlette's ``AuthCredentials`` for a principal."""

from starlette.authentication import AuthCredentials

from spacekey.domain.principal import Principal


class TokenCredentials(AuthCredentials):
    """Starlette's credentials, of a principal or of nobody. Made into a list only when somebody looks."""

    def __init__(self, principal: Principal | None) -> None:
        self._principal = principal

    @property
    def scopes(self) -> list[str]:  # type: ignore[override]  # an attribute there; nobody needs to assign it
        """The scopes, sorted, after "authenticated"; a new list each time, so that none is shared."""
        return [] if self._principal is None else ["authenticated", *sorted(self._principal.scopes)]


NO_CREDENTIALS = TokenCredentials(None)
