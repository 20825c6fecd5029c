"""Tokens in the database."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping

from spacekey.domain.authentication import Authenticated, Rejected
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.page import PAGE_SIZE_MAX, PageRequest, TokenOrder
from spacekey.domain.refusal import InvalidInput, UserError
from spacekey.domain.secret import Secret, parse
from spacekey.domain.token_state import Status
from spacekey.domain.unset import UNSET
from spacekey.models.tables.records import AnyWorkspace
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.imports import ImportedKey, import_keys, read_row
from spacekey.resolvers.tokens.list import TokenSearch, token_list, token_view, tokens_everywhere
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.rotate import GRACE_SECONDS_DEFAULT, rotate_token
from spacekey.resolvers.tokens.update import Changed, TokenChanges, update_token
from spacekey.resolvers.tokens.usage import activity_of, checked_span
from spacekey.resolvers.tokens.view import TokenView
from spacekey.resolvers.workspaces.figures import token_counts, token_quotas
from spacekey.server.build import build_verifier
from spacekey.server.cli.common.backend import Consent, DryRun, Ending, Values
from spacekey.server.cli.common.consent import ask_first
from spacekey.server.cli.common.facts import GRACE_ASKED_BELOW, token_facts
from spacekey.server.cli.common.lookup import (
    every,
    every_workspace,
    space_called,
    workspace_called,
    workspace_to_change,
)
from spacekey.server.cli.common.output import Facts, shown
from spacekey.server.cli.common.run import operator
from spacekey.server.timestamps import written

QUESTIONS: Mapping[Ending, str] = {
    "disable": "Applications that use it lose access at once, until it is enabled again. Disable it?",
    "revoke": "Applications that use it lose access at once, for good. Revoke it?",
    "delete": "Applications that use it lose access at once, for good. Delete it?",
}


class LocalTokens:
    """See :class:`spacekey.server.cli.common.backend.Tokens`."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def list(self, conditions: Values, workspace: str | None, space: str | None) -> AsyncIterator[Facts]:
        system = self._system
        search = TokenSearch(**conditions)
        home = None if workspace is None else await workspace_called(system, workspace)
        place = None if space is None else await space_called(system, space, home)
        slugs: dict[str, str] = {}
        async for view in self._found(search, home, None if place is None else (place.workspace_id, place.id)):
            id_ = view.token.workspace_id
            if id_ not in slugs:
                slugs[id_] = (await workspace_called(system, id_)).slug
            yield {**token_facts(view), "workspace": slugs[id_]}

    async def _found(
        self, search: TokenSearch, home: Workspace | None, place: tuple[str, str] | None
    ) -> AsyncIterator[TokenView]:
        """Yield tokens of a space, of a workspace, or of all; all are searched by scope one after the other."""
        system, caller = self._system, operator()

        def inside(workspace_id: str, space_id: str | None) -> AsyncIterator[TokenView]:
            return every(
                lambda page: token_list(
                    system,
                    caller,
                    workspace_id,
                    search=search,
                    order=TokenOrder.CREATED_AT,
                    descending=True,
                    request=page,
                    space_id=space_id,
                )
            )

        if place is not None or home is not None:
            workspace_id, space_id = place if place is not None else (getattr(home, "id", ""), None)
            async for view in inside(workspace_id, space_id):
                yield view
        elif search.scope is not None:
            async for one in every_workspace(system):
                async for view in inside(one.id, None):
                    yield view
        else:
            async for view in every(
                lambda page: tokens_everywhere(
                    system, caller, search=search, order=TokenOrder.CREATED_AT, descending=True, request=page
                )
            ):
                yield view

    async def count(self, conditions: Values, workspace: str, space: str | None) -> Facts:
        system = self._system
        home = await workspace_called(system, workspace)
        space_id = None if space is None else (await space_called(system, space, home)).id
        [found] = await token_counts(system, operator(), [(home.id, space_id)], TokenSearch(**conditions))
        if isinstance(found, UserError):
            raise found
        return {"count": found.count, "precision": found.precision.value}

    async def quota(self, workspace: str) -> Facts:
        home = await workspace_called(self._system, workspace)
        [found] = await token_quotas(self._system, operator(), [home.id])
        if isinstance(found, UserError):
            raise found
        return {"used": found.used, "max": found.most}

    async def inactive(self, days: int, workspace: str | None) -> AsyncIterator[Facts]:
        span = checked_span(days)
        async for home in self._workspaces(workspace):
            search, after = TokenSearch(statuses=frozenset((Status.ACTIVE,))), None
            while True:
                page = await token_list(
                    self._system,
                    operator(),
                    home.id,
                    search=search,
                    order=TokenOrder.LAST_USED_AT,
                    descending=False,
                    request=PageRequest(PAGE_SIZE_MAX, after=after),
                )
                for activity in await activity_of(self._system, page.rows, span):
                    yield {
                        **token_facts(activity.view),
                        "workspace": home.slug,
                        "finding": activity.finding,
                        "unused_scopes": [*activity.unused_scopes],
                        "age_days": activity.age_days,
                    }
                if not page.has_next:
                    break
                after = page.cursors[-1]

    async def _workspaces(self, name: str | None) -> AsyncIterator[AnyWorkspace]:
        if name is not None:
            yield await workspace_called(self._system, name)
            return
        async for one in every_workspace(self._system):
            yield one

    async def show(self, token: str) -> Facts:
        return token_facts(await token_view(self._system, operator(), token))

    async def create(self, name: str, workspace: str, space: str | None, fields: Values) -> tuple[Facts, str]:
        system = self._system
        home = await workspace_to_change(system, workspace)
        space_id = None if space is None else (await space_called(system, space, home)).id
        issued = await create_token(
            system, operator(), NewToken(workspace_id=home.id, name=name, space_id=space_id, **fields)
        )
        return token_facts(issued.view), issued.secret.reveal()

    async def edit(self, token: str, changes: Values, consent: Consent) -> Facts | DryRun:
        system, asked = self._system, TokenChanges(**changes)

        async def sooner(edited: Changed) -> str | None:
            now, then = (await token_view(system, operator(), token)).token.expires_at, edited.view.token.expires_at
            if then is None or (now is not None and then >= now):
                return None
            return f"It ends {shown(written(then))} instead of {'never' if now is None else shown(written(now))}."

        if consent.dry_run or {"grants", "expires_at"} & changes.keys():
            hits = await ask_first(
                system,
                token,
                lambda rehearsed: update_token(rehearsed, operator(), token, asked, wait=False),
                "Edit it?",
                consent,
                note=sooner,
            )
            if hits is not None:
                return hits
        return _changed(await update_token(system, operator(), token, asked, wait=consent.wait))

    async def rotate(self, token: str, fields: Values, consent: Consent) -> tuple[Facts, str] | DryRun:
        system = self._system
        seconds = fields.get("grace_seconds", GRACE_SECONDS_DEFAULT)

        async def rotated(used: System, *, wait: bool) -> Issued:
            return await rotate_token(
                used,
                operator(),
                token,
                grace_seconds=seconds,
                retire_on_first_use=fields.get("retire_on_first_use", False),
                expires_at=fields.get("expires_at", UNSET),
                wait=wait,
            )

        async def old(_: Issued) -> str | None:
            name = (await token_view(system, operator(), token)).token.name
            return f"'{name}' ({token}) ends {f'after {seconds} seconds' if seconds else 'at once'}."

        if consent.dry_run or seconds < GRACE_ASKED_BELOW:
            hits = await ask_first(
                system,
                token,
                lambda rehearsed: rotated(rehearsed, wait=False),
                "Applications need the new secret by then. Rotate it?",
                consent,
                always=True,
                note=old,
            )
            if hits is not None:
                return hits
        issued = await rotated(system, wait=consent.wait)
        return {**token_facts(issued.view), "effective_at": written(issued.effective_at)}, issued.secret.reveal()

    async def end(self, token: str, how: Ending, reason: str | None, consent: Consent) -> Facts | DryRun:
        system = self._system
        caller = operator()
        ways: dict[Ending, Callable[[System, bool], Awaitable[Changed]]] = {
            "disable": lambda used, wait: disable_token(used, caller, token, wait=wait),
            "revoke": lambda used, wait: revoke_token(used, caller, token, reason=reason, wait=wait),
            "delete": lambda used, wait: delete_token(used, caller, token, wait=wait),
        }

        async def named(_: Changed) -> str | None:
            view = await token_view(system, caller, token)
            return f"The token is '{view.token.name}' ({view.shown_prefix}, {view.status.value})."

        hits = await ask_first(
            system,
            token,
            lambda rehearsed: ways[how](rehearsed, False),
            QUESTIONS[how],
            consent,
            always=True,
            note=named,
        )
        return hits if hits is not None else _changed(await ways[how](system, consent.wait))

    async def import_(
        self, lines: AsyncIterable[bytes], workspace: str, format_name: str, *, dry_run: bool
    ) -> AsyncIterator[Facts]:
        home = await workspace_to_change(self._system, workspace)

        async def keys() -> AsyncIterator[ImportedKey | InvalidInput]:
            async for line in lines:
                key = read_row(line)
                if key is not None:
                    yield key

        async for row in import_keys(self._system, operator(), home.id, format_name, keys(), dry_run=dry_run):
            yield {
                "row": row.number,
                "outcome": row.outcome.value,
                "name": row.name,
                "id": row.token_id,
                "reason": None if row.refusal is None else str(row.refusal),
            }

    async def enable(self, token: str) -> Facts:
        return _changed(await enable_token(self._system, operator(), token))

    async def describe_secret(self, secret: str) -> Facts:
        system, asked = self._system, Secret(secret)
        verifier = build_verifier(system.store, system.products, system.clock, 0.0)
        try:
            reading = await verifier.read(asked)
        finally:
            await verifier.aclose()
        verdict, shape = reading.verdict, parse(asked)
        if not isinstance(verdict, Authenticated | Rejected):
            raise ServiceUnavailable(verdict.why)
        accepted = isinstance(verdict, Authenticated)
        known = None if reading.facts is None else reading.facts.id
        gone = isinstance(verdict, Rejected) and verdict.reason == "deleted"
        return {
            "accepted": accepted,
            "reason": verdict.reason.value if isinstance(verdict, Rejected) else None,
            "environment": None if shape is None else shape.environment,
            "id": known,
            "token": None if known is None or gone else token_facts(await token_view(system, operator(), known)),
        }


def _changed(changed: Changed) -> Facts:
    return {**token_facts(changed.view), "effective_at": written(changed.effective_at)}
