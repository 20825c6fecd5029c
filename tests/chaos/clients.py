"""Clients that take access away: one calls the resolvers in its own process, one a real server over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

import httpx

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import Conflict, NotFound
from spacekey.domain.secret import Secret
from spacekey.resolvers.access.caller import Operator, RequestFacts, TokenCaller
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, revoke_secret, revoke_token, revoke_tokens
from spacekey.resolvers.tokens.revoke_all import revoke_all
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.roles import set_role
from spacekey.resolvers.workspaces.spaces import delete_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace

from .environment import Environment, Takeaway, Victim, Way

HTTP_SECONDS_MAX = 30.0
LEFT = "queues:read"
"""The scope that is left after scopes were taken away; no route of the protected app asks for it."""

_NOT_OF_TOKENS = {
    Way.POLICY: WorkspaceChanges(scopes_allowed=(LEFT,)),
    Way.SUSPENDED: WorkspaceChanges(suspended=True),
    Way.DOWNGRADE: WorkspaceChanges(plan="free"),
}
_GRAPHQL = {
    Way.BULK_REVOKE: ("revokeTokens", "RevokeTokensSuccess"),
    Way.DISABLE: ("disableToken", "DisableTokenSuccess"),
    Way.DELETE: ("deleteToken", "DeleteTokenSuccess"),
    Way.SPACE_DELETED: ("deleteSpace", "DeleteSpaceSuccess"),
}


class TryAgain(Exception):
    """Error of a takeaway to be repeated: no answer, or a concurrent change of the same rows."""


class Client(Protocol):
    """Interface of clients that take access away."""

    async def take(self, takeaway: Takeaway) -> datetime:
        """Take access away and return when it is in effect everywhere. A retry that finds it done has the answer too.

        :raises TryAgain: see there.
        """
        ...


class ResolverClient:
    """Client that calls the resolvers as the operator."""

    def __init__(self, environment: Environment, system: System) -> None:
        self._environment = environment
        self._system = system
        self._operator = Operator(RequestFacts())

    async def take(self, takeaway: Takeaway) -> datetime:
        """See :class:`Client`."""
        try:
            return await self._take(takeaway, [self._environment.victims[one] for one in takeaway.tokens])
        except NotFound:
            return datetime.now(UTC)
        except Conflict as error:
            if takeaway.way is Way.ROTATE:
                return datetime.now(UTC)
            raise TryAgain from error
        except ServiceUnavailable as error:
            raise TryAgain from error

    async def _take(self, takeaway: Takeaway, victims: list[Victim]) -> datetime:
        system, who, wait, way = self._system, self._operator, self._environment.wait, takeaway.way
        token, where = victims[0], takeaway.workspace_id
        match way:
            case Way.REVOKE:
                return (await revoke_token(system, who, token.id, wait=wait)).effective_at
            case Way.REVOKE_ITSELF:
                own = TokenCaller(token.id, "", where, RequestFacts())
                return (await revoke_secret(system, own, Secret(token.secret), wait=wait)).effective_at
            case Way.BULK_REVOKE:
                return (await revoke_tokens(system, who, [one.id for one in victims], wait=wait))[1]
            case Way.USER_GONE:
                return (await revoke_all(system, who, where, takeaway.external_id or "", wait=wait))[1]
            case Way.DISABLE:
                return (await disable_token(system, who, token.id, wait=wait)).effective_at
            case Way.DELETE:
                return (await delete_token(system, who, token.id, wait=wait)).effective_at
            case Way.SCOPE_EDIT:
                changes = TokenChanges(grants=(LEFT,))
                return (await update_token(system, who, token.id, changes, wait=wait)).effective_at
            case Way.ROTATE:
                return (await rotate_token(system, who, token.id, grace_seconds=0, wait=wait)).effective_at
            case Way.SPACE_DELETED:
                return (await delete_space(system, who, takeaway.space_id or "", wait=wait)).effective_at
            case Way.ROLE:
                demoted = await set_role(system, who, where, name="viewer", grants=["tasks:read"], wait=wait)
                return demoted.effective_at
            case _:
                return (await update_workspace(system, who, where, _NOT_OF_TOKENS[way], wait=wait)).effective_at


class HttpClient:
    """Client of the server's REST and GraphQL APIs."""

    def __init__(self, environment: Environment, client: httpx.AsyncClient) -> None:
        self._environment = environment
        self._client = client

    async def take(self, takeaway: Takeaway) -> datetime:
        """See :class:`Client`."""
        victims = [self._environment.victims[one] for one in takeaway.tokens]
        try:
            response = await self._client.send(self._request(takeaway, victims))
        except httpx.HTTPError as error:
            raise TryAgain from error
        status, way = response.status_code, takeaway.way
        if status == 404 or (way, status) == (Way.ROTATE, 409):
            return datetime.now(UTC)
        if status in (409, 503):
            raise TryAgain
        if not response.is_success:
            raise RuntimeError(f"{way}: {status} {response.text}")
        # RFC 7009 has no place for the moment: it was in effect when it was answered.
        return _effective_at(response.json()) if response.content else datetime.now(UTC)

    def _request(self, takeaway: Takeaway, victims: list[Victim]) -> httpx.Request:
        build, keys, way = self._client.build_request, "/api/v1/api-keys", takeaway.way
        token = victims[0]
        match way:
            case Way.REVOKE:
                return build("DELETE", f"{keys}/{token.id}")
            case Way.REVOKE_ITSELF:
                own = {"Authorization": f"Bearer {token.secret}"}
                return build("POST", "/api/v1/revoke", data={"token": token.secret}, headers=own)
            case Way.SCOPE_EDIT:
                return build("PATCH", f"{keys}/{token.id}", json={"permissions": [LEFT]})
            case Way.ROTATE:
                return build("POST", f"{keys}/{token.id}/rotate", json={"grace_seconds": 0})
            case Way.BULK_REVOKE:
                asked: dict[str, Any] = {"ids": [one.id for one in victims]}
            case _:
                asked = {"id": takeaway.space_id if way is Way.SPACE_DELETED else token.id}
        field, success = _GRAPHQL[way]
        document = (
            f"mutation($input: {field[0].upper()}{field[1:]}Input!) {{ {field}(input: $input) "
            f"{{ __typename ... on {success} {{ effectiveAt }} }} }}"
        )
        return build("POST", "/graphql", json={"query": document, "variables": {"input": asked}})


def _effective_at(body: dict[str, Any]) -> datetime:
    if "effective_at" in body:
        return datetime.fromisoformat(body["effective_at"])
    if "errors" in body:
        if all(error.get("extensions", {}).get("code") == "UNAVAILABLE" for error in body["errors"]):
            raise TryAgain
        raise RuntimeError(str(body["errors"]))
    result = next(iter(body["data"].values()))
    if result["__typename"] == "NotFound":
        return datetime.now(UTC)
    if result["__typename"] == "Conflict":
        raise TryAgain
    return datetime.fromisoformat(result["effectiveAt"])
