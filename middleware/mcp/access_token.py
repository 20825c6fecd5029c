"""Principals as the MCP SDK's access tokens, and the SDK's protocol for verifiers. No secret is kept in them."""

from __future__ import annotations

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from pydantic import PrivateAttr

from spacekey.domain.authentication import Authenticated, Unavailable
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import TIMEOUT_SECONDS, VerifiesSecrets
from spacekey.middleware.argument_checks import check_environment, check_seconds
from spacekey.middleware.auth.authenticator import NOT_SENT, Authenticator
from spacekey.middleware.verifiers.wrapper import as_verifier


class SpacekeyAccessToken(AccessToken):
    """Access token of the SDK that stands for a principal. Its ``token`` is the token's id and not its secret.

    ``client_id`` is the token's id, ``subject`` the external id, and ``claims`` has ``workspace_id``, ``space_id``,
    ``environment`` and ``iss``, each if there is one. A session of the server belongs to the token that began it.
    """

    _principal: Principal = PrivateAttr()

    @classmethod
    def of(cls, principal: Principal, resource: str | None = None) -> SpacekeyAccessToken:
        """Return the access token of a principal.

        :param resource: the server's URL, as RFC 8707 has it.
        """
        facts = {
            "iss": principal.issuer,
            "workspace_id": principal.workspace_id,
            "space_id": principal.space_id,
            "environment": principal.environment,
        }
        made = cls(
            token=principal.id,
            client_id=principal.id,
            scopes=sorted(principal.scopes),
            expires_at=None if principal.expires_at is None else int(principal.expires_at.timestamp()),
            resource=resource,
            subject=principal.external_id,
            claims={name: value for name, value in facts.items() if value},
        )
        made._principal = principal
        return made

    @property
    def principal(self) -> Principal:
        """The token's principal."""
        return self._principal


def current_principal() -> Principal | None:
    """Return the caller of the tool, resource or prompt that runs; None over stdio, and in memory."""
    token = get_access_token()
    return token.principal if isinstance(token, SpacekeyAccessToken) else None


class McpTokenVerifier:
    """The SDK's ``TokenVerifier``, for ``MCPServer(token_verifier=…, auth=AuthSettings(…))``.

    With it the SDK authenticates: limits, usage, bounds on made-up secrets and the end of open streams are those of
    :func:`~spacekey.middleware.mcp.protect_mcp`.

    :param verifier: turns secrets into principals.
    :param environment: ``live`` or ``test``; tokens of another environment are refused. None accepts all.
    :param resource: the server's URL, for ``AuthSettings(validate_token_resource=True)``. Tokens of Spacekey are not
        made for one server: scopes say where they can be used.
    :param timeout: seconds that a verification may take.
    :raises ConfigurationError: for an invalid setting.
    """

    def __init__(
        self,
        verifier: VerifiesSecrets,
        *,
        environment: str | None = None,
        resource: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        check_environment(environment)
        check_seconds("timeout", timeout)
        self._authenticator = Authenticator(as_verifier(verifier), environment, timeout)
        self._resource = resource

    async def verify_token(self, token: str) -> SpacekeyAccessToken | None:
        """Return the access token, or None if it is not valid.

        :raises ServiceUnavailable: if that cannot be told now. The SDK answers 500, and never that it is not valid.
        """
        verdict = await self._authenticator.authenticate(NOT_SENT, Secret(token))
        if isinstance(verdict, Unavailable):
            raise ServiceUnavailable("tokens cannot be checked right now", verdict.retry_after_seconds)
        return SpacekeyAccessToken.of(verdict.principal, self._resource) if isinstance(verdict, Authenticated) else None
