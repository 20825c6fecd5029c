"""Tokens on a server."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from spacekey.domain.refusal import Forbidden, NotFound
from spacekey.domain.secret import Secret, parse
from spacekey.domain.unset import UNSET
from spacekey.server.cli.common.backend import Consent, DryRun, Ending, Values
from spacekey.server.cli.common.output import Facts

from . import documents
from .client import Client
from .facts import listed_token, moment, token_facts
from .places import ask, check_rehearsed, only_on_the_database, space_called, workspace_called, workspace_to_change

GRACE_ASKED_BELOW = 60
QUESTIONS: Mapping[Ending, str] = {
    "disable": "Applications that use it lose access at once, until it is enabled again. Disable it?",
    "revoke": "Applications that use it lose access at once, for good. Revoke it?",
    "delete": "Applications that use it lose access at once, for good. Delete it?",
}
FILTERS = {
    "statuses": "status",
    "expiring_days": "expiringWithinDays",
    "created_by": "createdBy",
    "created_after": "createdAfter",
    "created_before": "createdBefore",
    "external_id": "externalId",
}
INPUTS = {
    "expires_at": "expiresAt",
    "grace_seconds": "graceSeconds",
    "retire_on_first_use": "retireOnFirstUse",
    "external_id": "externalId",
}


class RemoteTokens:
    """See :class:`spacekey.server.cli.common.backend.Tokens`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(self, conditions: Values, workspace: str | None, space: str | None) -> AsyncIterator[Facts]:
        where = _filter(conditions)
        home = None if workspace is None else await workspace_called(self._client, workspace)
        if space is not None:
            place = await space_called(self._client, space, home)
            nodes = self._client.pages(documents.TOKENS_OF_SPACE, ("space", "tokens"), id=place["id"], filter=where)
        elif home is not None:
            nodes = self._client.pages(
                documents.TOKENS_OF_WORKSPACE, ("workspace", "tokens"), id=home["id"], filter=where
            )
        else:
            nodes = self._client.pages(documents.TOKENS, ("tokens",), filter=where)
        async for node in nodes:
            yield listed_token(node)

    async def count(self, conditions: Values, workspace: str, space: str | None) -> Facts:
        home = await workspace_called(self._client, workspace)
        if space is None:
            asked, what, owner = documents.COUNT_OF_WORKSPACE, "workspace", home
        else:
            asked, what, owner = documents.COUNT_OF_SPACE, "space", await space_called(self._client, space, home)
        found = (await self._client.query(asked, id=owner["id"], filter=_filter(conditions)))[what]["tokensCount"]
        return {"count": found["count"], "precision": found["precision"].lower()}

    async def quota(self, workspace: str) -> Facts:
        home = await workspace_called(self._client, workspace)
        found = (await self._client.query(documents.QUOTA, id=home["id"]))["workspace"]["tokenQuota"]
        return {"used": found["used"], "max": found["max"]}

    async def inactive(self, days: int, workspace: str | None) -> AsyncIterator[Facts]:
        now = datetime.now(UTC)
        async for home in self._workspaces(workspace):
            async for node in self._client.pages(
                documents.ACTIVITY, ("workspace", "tokens"), id=home["id"], days=max(days, 1)
            ):
                yield {**listed_token(node), **_activity(node, now, timedelta(days=days))}

    async def _workspaces(self, name: str | None) -> AsyncIterator[Facts]:
        if name is not None:
            yield await workspace_called(self._client, name)
            return
        async for node in self._client.pages(documents.WORKSPACES, ("workspaces",)):
            yield node

    async def show(self, token: str) -> Facts:
        return token_facts(await self._found(token))

    async def create(self, name: str, workspace: str, space: str | None, fields: Values) -> tuple[Facts, str]:
        home = await workspace_to_change(self._client, workspace)
        asked = {**_inputs(fields), "name": name}
        owner = home if space is None else await space_called(self._client, space, home)
        asked["ownerId"] = owner["id"]
        made = await self._client.create(documents.CREATE_TOKEN, "workspace" if space is None else "space", asked)
        return token_facts(made["token"]), made["secret"]

    async def edit(self, token: str, changes: Values, consent: Consent) -> Facts | DryRun:
        check_rehearsed(consent)
        if {"grants", "expires_at"} & changes.keys():
            found = await self._found(token)
            ask(f"The token '{found['name']}' ({found['prefix']}) may lose scopes, or end sooner. Edit it?", consent)
        asked = {"id": token, "wait": consent.wait, **_inputs(changes)}
        return _changed(await self._client.change(documents.UPDATE_TOKEN, "token", asked))

    async def rotate(self, token: str, fields: Values, consent: Consent) -> tuple[Facts, str] | DryRun:
        check_rehearsed(consent)
        grace = fields.get("grace_seconds")
        if grace is not None and grace < GRACE_ASKED_BELOW:
            found = await self._found(token)
            ends = f"after {grace} seconds" if grace else "at once"
            ask(
                f"'{found['name']}' ({token}) ends {ends}. Applications need the new secret by then. Rotate it?",
                consent,
            )
        asked = {"id": token, "wait": consent.wait, **_inputs(fields)}
        made = await self._client.create(documents.ROTATE_TOKEN, "token", asked)
        return _changed(made), made["secret"]

    async def end(self, token: str, how: Ending, reason: str | None, consent: Consent) -> Facts | DryRun:
        check_rehearsed(consent)
        found = await self._found(token)
        status = found["status"].lower()
        ask(f"The token is '{found['name']}' ({found['prefix']}, {status}). {QUESTIONS[how]}", consent)
        asked: dict[str, Any] = {"id": token, "wait": consent.wait}
        if how == "delete":
            gone = await self._client.change(documents.DELETE_TOKEN, "token", asked)
            return {**token_facts(found), "status": "revoked", "effective_at": moment(gone["effectiveAt"])}
        if how == "revoke":
            asked["reason"] = reason
            return _changed(await self._client.change(documents.REVOKE_TOKEN, "token", asked))
        return _changed(await self._client.change(documents.DISABLE_TOKEN, "token", asked))

    def import_(
        self, lines: AsyncIterable[bytes], workspace: str, format_name: str, *, dry_run: bool
    ) -> AsyncIterator[Facts]:
        raise only_on_the_database("Importing keys")

    async def enable(self, token: str) -> Facts:
        return _changed(await self._client.change(documents.ENABLE_TOKEN, "token", {"id": token}))

    async def describe_secret(self, secret: str) -> Facts:
        answer, shape = await self._client.introspect(secret), parse(Secret(secret))
        id_ = answer.get("sub")
        return {
            "accepted": bool(answer.get("active")),
            "reason": None,
            "environment": None if shape is None else shape.environment,
            "id": id_,
            "token": None if id_ is None else await self._shown(id_),
        }

    async def _shown(self, token: str) -> Facts | None:
        """Return a token, if the caller may see more of it than that it is accepted."""
        try:
            return await self.show(token)
        except (Forbidden, NotFound):
            return None

    async def _found(self, token: str) -> dict[str, Any]:
        found = (await self._client.query(documents.FIND_TOKEN, id=token))["token"]
        if found is None:
            raise NotFound("token")
        return dict(found)


def _inputs(fields: Values) -> dict[str, Any]:
    """Return fields as the API takes them: what is not set is left out, and a time is written."""
    return {
        INPUTS.get(name, name): value.isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value is not UNSET
    }


def _filter(conditions: Values) -> dict[str, Any]:
    return {FILTERS.get(name, name): _filter_value(name, value) for name, value in conditions.items()}


def _filter_value(name: str, value: object) -> object:
    if name == "statuses" and isinstance(value, frozenset):
        return sorted(one.name for one in value)
    return value


def _changed(done: Facts) -> Facts:
    return {**token_facts(done["token"]), "effective_at": moment(done["effectiveAt"])}


def _activity(node: Mapping[str, Any], now: datetime, span: timedelta) -> Facts:
    """Return what :func:`spacekey.resolvers.tokens.usage.activity_of` finds, from what the server answers."""
    created = datetime.fromisoformat(node["createdAt"])
    used = node["lastUsedAt"]
    since = now - span
    unused = node["unusedScopes"] if created < since else []
    finding = "scopes not used" if unused else None
    if (created if used is None else datetime.fromisoformat(used)) < since:
        finding = "never used" if used is None else "not used"
    return {"finding": finding, "unused_scopes": unused, "age_days": (now - created).days}
