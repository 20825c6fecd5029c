"""Queries about tokens: filters agree with the domain's words, batches only move forwards."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from spacekey.domain.page import Page, PageRequest, TokenOrder
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.token_state import Status, status_of
from spacekey.models.engine.reading import Reader, ResultRow, Values
from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries.tokens import TokenFilter, token_page
from spacekey.models.tables.base import Row
from spacekey.models.tables.records import TokenRecord
from spacekey.models.tables.token import Token, TokenFirstUse
from spacekey.models.tables.workspace import Workspace
from support.rows import NOW, a_space, a_token, a_workspace, add, ago, ahead


async def ids(store: Store, where: TokenFilter, now: datetime = NOW) -> set[str]:
    page = await store.read(
        lambda reader: token_page(reader, where, TokenOrder.CREATED_AT, False, PageRequest(100), now)
    )
    assert not page.has_next
    return {token.id for token in page.rows}


async def _page(reader: Reader, where: TokenFilter, request: PageRequest) -> Page[TokenRecord]:
    return await token_page(reader, where, TokenOrder.NAME, False, request, NOW)


class TestStatus:
    """Every combination of a token's dates, against the domain's own function."""

    moments = (None, ago(seconds=1), NOW, ahead(seconds=1))

    async def fill(self, store: Store) -> tuple[Workspace, dict[str, Status], list[Token]]:
        workspace = a_workspace()
        rows: list[Row] = []
        wanted: dict[str, Status] = {}
        combinations = itertools.product(self.moments, (None, NOW), (None, NOW), self.moments, self.moments)
        for expires, disabled, revoked, retires, first_use in combinations:
            if retires is None and first_use is not None:
                continue
            token = a_token(workspace, expires_at=expires, disabled_at=disabled, revoked_at=revoked)
            if retires is not None:
                successor = a_token(workspace, deleted_at=NOW)
                token.rotated_to_id, token.retires_at = successor.id, retires
                rows.append(successor)
                if first_use is not None:
                    rows.append(TokenFirstUse(token_id=successor.id, at=first_use))
            rows.append(token)
            ends = [moment for moment in (retires, first_use) if moment is not None]
            wanted[token.id] = status_of(
                NOW, expires_at=expires, disabled_at=disabled, revoked_at=revoked, retires_at=min(ends, default=None)
            )
        await add(store, workspace, *rows)
        return workspace, wanted, [row for row in rows if isinstance(row, Token) and row.id in wanted]

    async def walk(self, store: Store, where: TokenFilter) -> set[str]:
        found: set[str] = set()
        request = PageRequest(100)
        for _ in range(100):
            page = await store.read(partial(_page, where=where, request=request))
            found |= {token.id for token in page.rows}
            if not page.has_next:
                return found
            request = PageRequest(100, after=page.cursors[-1])
        raise AssertionError("the walk does not end")

    async def test_the_database_computes_the_status_of_the_domain(self, store: Store) -> None:
        workspace, wanted, tokens = await self.fill(store)
        for status in Status:
            right = {token_id for token_id, one in wanted.items() if one is status}
            assert right
            assert await self.walk(store, TokenFilter(workspace.id, statuses=frozenset({status}))) == right
        some = frozenset({Status.ACTIVE, Status.REVOKED})
        assert await self.walk(store, TokenFilter(workspace.id, statuses=some)) == {
            token_id for token_id, one in wanted.items() if one in some
        }
        assert await self.walk(store, TokenFilter(workspace.id, statuses=frozenset())) == set()
        assert await self.walk(store, TokenFilter(workspace.id)) == set(wanted)

        live = {Status.ACTIVE, Status.DISABLED}
        async with store.reading() as session:
            count = await token_queries.live_token_count(session, workspace.id, NOW)
            unrevoked = sum(token.revoked_at is None and token.deleted_at is None for token in tokens)
            for bound in range(unrevoked + 2):
                assert await token_queries.has_fewer_tokens(session, workspace.id, bound) is (unrevoked < bound)
        assert count <= unrevoked
        assert count == sum(one in live for one in wanted.values())

        # What ends soon: not over, not revoked, and with an end before the given moment.
        soon = await self.walk(store, TokenFilter(workspace.id, expires_before=ahead(seconds=2)))
        assert soon == {
            token.id
            for token in tokens
            if wanted[token.id] in live and (token.expires_at is not None or token.retires_at is not None)
        }
        assert await self.walk(store, TokenFilter(workspace.id, expires_before=ahead(seconds=1))) == set()


async def test_each_filter_narrows_and_deleted_tokens_are_never_listed(store: Store) -> None:
    one, other = a_workspace(), a_workspace()
    space = a_space(one)
    in_space = a_token(one, space, name="Space")
    test = a_token(one, environment="test", name="Test")
    plain = a_token(one, name="Plain")
    foreign = a_token(other, name="Foreign")
    deleted = a_token(one, deleted_at=NOW, name="Deleted")
    await add(store, one, other, space, in_space, test, plain, foreign, deleted)
    assert await ids(store, TokenFilter(one.id)) == {in_space.id, test.id, plain.id}
    assert await ids(store, TokenFilter(None)) == {in_space.id, test.id, plain.id, foreign.id}
    assert await ids(store, TokenFilter(one.id, space_id=space.id)) == {in_space.id}
    assert await ids(store, TokenFilter(one.id, kind="space")) == {in_space.id}
    assert await ids(store, TokenFilter(one.id, environment="test")) == {test.id}
    assert await ids(store, TokenFilter(one.id, environment="test", kind="space")) == set()


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("DEPLOY", {"name"}),
        ("eploy", {"name"}),
        ("100%", {"description"}),
        ("%", {"description"}),
        ("_b", {"description", "prefix"}),
        ("sp_b", {"prefix"}),
        ("/", {"slash"}),
        ("\\", set()),
        ("'", set()),
        ("", {"name", "description", "prefix", "slash"}),
    ],
)
async def test_text_is_found_in_either_case_and_wildcards_mean_themselves(
    store: Store, sought: str, found: set[str]
) -> None:
    workspace = a_workspace()
    common: dict[str, Any] = {"prefix": "xx", "name": "n"}
    tokens = {
        "name": a_token(workspace, **{**common, "name": "My deploy key"}),
        "description": a_token(workspace, **common, description="100% a_b"),
        "prefix": a_token(workspace, **{**common, "prefix": "sp_b"}),
        "slash": a_token(workspace, **common, description="a/b"),
    }
    await add(store, workspace, *tokens.values())
    wanted = {tokens[key].id for key in found}
    assert await ids(store, TokenFilter(workspace.id, text=sought)) == wanted


@pytest.mark.parametrize("sought", ["a\0b", "half \ud800"])
async def test_text_that_no_database_holds_is_refused(store: Store, sought: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await store.read(partial(_page, where=TokenFilter(None, text=sought), request=PageRequest(1)))
    assert refused.value.field == "text"


async def test_unused_since_counts_from_the_last_use_or_from_creation(store: Store) -> None:
    workspace = a_workspace()
    old, new = ago(days=40), ago(days=1)
    used_lately = a_token(workspace, created_at=old, last_used_at=new)
    used_long_ago = a_token(workspace, created_at=old, last_used_at=ago(days=31))
    never_used = a_token(workspace, created_at=old)
    brand_new = a_token(workspace, created_at=new)
    exactly = a_token(workspace, created_at=old, last_used_at=ago(days=30))
    await add(store, workspace, used_lately, used_long_ago, never_used, brand_new, exactly)
    found = await ids(store, TokenFilter(workspace.id, unused_since=ago(days=30)))
    assert found == {used_long_ago.id, never_used.id}


async def test_tokens_are_found_by_id_digest_and_space_in_any_state(store: Store) -> None:
    workspace = a_workspace()
    space = a_space(workspace)
    live, deleted = a_token(workspace, space), a_token(workspace, space, deleted_at=NOW)
    await add(store, workspace, space, live, deleted)
    async with store.reading() as session:
        assert await token_queries.token_by_id(session, "key_none") is None
        assert (await token_queries.token_by_id(session, deleted.id)) == deleted
        assert (await token_queries.token_by_digest(session, deleted.digest)) == deleted
        assert await token_queries.token_by_digest(session, bytes(32)) is None
        both = await token_queries.tokens_by_ids(session, [live.id, deleted.id, "key_none", live.id])
        assert {token.id for token in both} == {live.id, deleted.id}
        assert await token_queries.tokens_by_ids(session, []) == []
    found = await store.read(lambda reader: token_queries.token_records(reader, [live.id, deleted.id, "key_none"]))
    assert [token.id for token in found] == [live.id]
    assert await store.read(lambda reader: token_queries.token_records(reader, [])) == []


async def test_the_first_use_stays_the_first(store: Store) -> None:
    workspace = a_workspace()
    one, other = a_token(workspace), a_token(workspace)
    await add(store, workspace, one, other)
    for moment in (NOW, ago(hours=1), ahead(hours=1)):
        async with store.changing() as session:
            await token_queries.record_first_use(session, one.id, moment)
    async with store.reading() as session:
        assert await token_queries.first_uses(session, [one.id, other.id]) == {one.id: NOW}
        assert await token_queries.first_uses(session, []) == {}


async def test_last_used_moves_only_forwards_and_touches_nothing_else(store: Store) -> None:
    workspace = a_workspace()
    never, before, after = a_token(workspace), a_token(workspace, last_used_at=ago(hours=1)), a_token(workspace)
    after.last_used_at, after.last_used_ip = ahead(hours=1), "192.0.2.9"
    await add(store, workspace, never, before, after)
    async with store.changing() as session:
        # Revoked by somebody else meanwhile: a late flush must not undo it.
        token = await session.get_one(Token, before.id)
        token.revoked_at = NOW
    uses = dict.fromkeys((never.id, before.id, after.id, "key_none"), (NOW, "192.0.2.1"))
    statements: list[str] = []
    event.listen(store.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    async with store.changing() as session:
        await token_queries.touch_last_used(session, uses)
        await token_queries.touch_last_used(session, {})
    updates = [statement for statement in statements if statement.startswith("UPDATE")]
    assert len(updates) == 1
    assert "revoked_at" not in updates[0]
    async with store.reading() as session:
        found = {token.id: token for token in await token_queries.tokens_by_ids(session, uses)}
    assert (found[never.id].last_used_at, found[never.id].last_used_ip) == (NOW, "192.0.2.1")
    assert (found[before.id].last_used_at, found[before.id].revoked_at) == (NOW, NOW)
    assert (found[after.id].last_used_at, found[after.id].last_used_ip) == (ahead(hours=1), "192.0.2.9")


@pytest.mark.long
async def test_a_page_is_read_from_an_index_and_never_sorted(store: Store) -> None:
    workspaces = [a_workspace() for _ in range(2)]
    await add(store, *workspaces)
    rows = []
    for number, workspace in itertools.product(range(1_500), workspaces):
        moment = None if number % 3 else NOW + timedelta(seconds=number)
        rows.append(a_token(workspace, created_at=ago(seconds=number), expires_at=moment, last_used_at=moment))
    async with store.changing() as session:
        connection = await session.connection()
        await connection.execute(insert(Token.__table__), [row.model_dump() for row in rows])
        uses = [{"token_id": row.id, "at": NOW} for row in rows]  # so many that a page must not read them all
        await connection.execute(insert(TokenFirstUse.__table__), uses)
    async with store.engine.begin() as connection:
        await connection.execute(text("ANALYZE"))

    where, plans = TokenFilter(workspaces[0].id), []
    explain = "EXPLAIN QUERY PLAN " if store.dialect == SQLITE else "EXPLAIN "

    async def read(reader: Reader) -> None:
        rows = reader.rows

        async def explained(statement: str, values: Values | None = None) -> Sequence[ResultRow]:
            plans.append("\n".join(str(row[-1]) for row in await rows(explain + statement, values)))
            return await rows(statement, values)

        reader.rows = explained  # type: ignore[method-assign]
        for order, descending in itertools.product(TokenOrder, (False, True)):
            first = await token_page(reader, where, order, descending, PageRequest(50), NOW)
            await token_page(reader, where, order, descending, PageRequest(50, after=first.cursors[-1]), NOW)

    await store.read(read)
    assert len(plans) == 16
    for plan in plans:
        assert "ix_spacekey_tokens_workspace_" in plan, plan
        for bad in ("Seq Scan", "Sort", "TEMP B-TREE", "SCAN tokens\n"):
            assert bad not in plan, plan


@pytest.mark.parametrize("database_kind", [POSTGRESQL])
async def test_two_flushes_in_opposite_orders_do_not_wait_for_each_other_in_a_ring(store: Store) -> None:
    workspace = a_workspace()
    tokens = [a_token(workspace) for _ in range(2)]
    await add(store, workspace, *tokens)
    sent: list[Any] = []
    event.listen(store.engine.sync_engine, "before_cursor_execute", lambda *args: sent.append(args[3]))
    async with store.changing() as session:
        await token_queries.touch_last_used(session, {token.id: (NOW, "") for token in reversed(tokens)})
    order = [one.id for one in tokens]
    assert [next(value for value in row if value in order) for row in sent[-1]] == order
