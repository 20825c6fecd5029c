"""Pages: Relay's arguments, cursors, and walks over lists with ties and missing values."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spacekey.domain.page import Page, PageRequest, TokenOrder, page_request
from spacekey.domain.refusal import InvalidInput
from spacekey.models.engine.reading import Reader
from spacekey.models.engine.store import Store
from spacekey.models.queries.pagination import Key, read_cursor, write_cursor
from spacekey.models.queries.tokens import TokenFilter, token_page
from spacekey.models.tables.records import TokenRecord
from spacekey.models.tables.token import Token
from support.rows import NOW, a_token, a_workspace, add, ago

# Pages: Relay's arguments, and walks over lists with ties and missing values.


FAR_PAST = datetime(1, 1, 1, tzinfo=UTC)
FAR_FUTURE = datetime(9999, 12, 31, tzinfo=UTC)


class TestArguments:
    def test_nothing_given_is_the_first_default_page(self) -> None:
        assert page_request(None, None, None, None) == PageRequest(size=20)

    def test_last_walks_backward(self) -> None:
        assert page_request(None, None, 5, "c") == PageRequest(size=5, before="c", backward=True)

    @pytest.mark.parametrize("size", [0, 1, 100])
    def test_sizes_up_to_the_maximum_are_taken(self, size: int) -> None:
        assert page_request(size, None, None, None).size == size

    @pytest.mark.parametrize(
        ("first", "last", "field"),
        [(-1, None, "first"), (101, None, "first"), (None, -1, "last"), (None, 101, "last"), (1, 1, "last")],
    )
    def test_impossible_sizes_are_refused_by_name(self, first: int | None, last: int | None, field: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            page_request(first, None, last, None)
        assert refused.value.field == field

    def test_maximum_and_default_are_the_callers(self) -> None:
        assert page_request(None, None, None, None, default=7).size == 7
        with pytest.raises(InvalidInput, match="500"):
            page_request(501, None, None, None, maximum=500)


def expected(tokens: Sequence[Token], order: TokenOrder, descending: bool) -> list[str]:
    """The ids in the order a reader of the documentation would put them."""
    keys: dict[TokenOrder, Callable[[Token], Any]] = {
        TokenOrder.CREATED_AT: lambda token: token.created_at,
        TokenOrder.NAME: lambda token: token.name.lower(),
        TokenOrder.LAST_USED_AT: lambda token: token.last_used_at or FAR_PAST,
        TokenOrder.EXPIRES_AT: lambda token: token.expires_at or FAR_FUTURE,
    }
    key = keys[order]
    return [token.id for token in sorted(tokens, key=lambda token: (key(token), token.id), reverse=descending)]


few_moments = st.sampled_from([None, *(NOW + timedelta(seconds=n) for n in (-1, 0, 1))])
facts = st.fixed_dictionaries(
    {
        "created_at": st.sampled_from([ago(seconds=2), ago(microseconds=1), NOW]),
        "name": st.text("abAB_é", min_size=1, max_size=2),
        "last_used_at": few_moments,
        "expires_at": few_moments,
    }
)

NEVER: list[dict[str, Any]] = [{"name": "never used, never ends"}, {"name": "the same"}]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(given_facts=NEVER, order=TokenOrder.LAST_USED_AT, descending=False, size=1)
@example(given_facts=NEVER, order=TokenOrder.EXPIRES_AT, descending=False, size=1)
@given(
    given_facts=st.lists(facts, max_size=9),
    order=st.sampled_from(TokenOrder),
    descending=st.booleans(),
    size=st.integers(1, 10),
)
async def test_walking_pages_either_way_gives_the_list_in_order(
    store: Store, given_facts: list[dict[str, Any]], order: TokenOrder, descending: bool, size: int
) -> None:
    workspace = a_workspace()
    tokens = [a_token(workspace, **one) for one in given_facts]
    await add(store, workspace, *tokens)
    whole = expected(tokens, order, descending)

    async def page(request: PageRequest) -> Page[TokenRecord]:
        return await store.read(
            lambda reader: token_page(reader, TokenFilter(workspace.id), order, descending, request, NOW)
        )

    walked: list[str] = []
    after = None
    for _ in range(len(whole) + 1):
        found = await page(PageRequest(size, after=after))
        assert found.has_previous == (after is not None)
        assert len(found.cursors) == len(found.rows) <= size
        walked += [token.id for token in found.rows]
        if not found.has_next:
            break
        after = found.cursors[-1]
    assert walked == whole

    back: list[str] = []
    before = None
    for _ in range(len(whole) + 1):
        found = await page(PageRequest(size, before=before, backward=True))
        assert found.has_next == (before is not None)
        back = [token.id for token in found.rows] + back
        if not found.has_previous:
            break
        before = found.cursors[0]
    assert back == whole

    everything = await page(PageRequest(100))
    if len(whole) > 1:
        between = await page(PageRequest(100, after=everything.cursors[0], before=everything.cursors[-1]))
        assert [token.id for token in between.rows] == whole[1:-1]


@pytest.fixture
async def three(store: Store) -> list[Token]:
    workspace = a_workspace()
    tokens = [a_token(workspace, name=name) for name in ("a", "b", "c")]
    await add(store, workspace, *tokens)
    return tokens


async def by_name(store: Store, request: PageRequest, *, descending: bool = False) -> Page[TokenRecord]:
    return await store.read(
        lambda reader: token_page(reader, TokenFilter(None), TokenOrder.NAME, descending, request, NOW)
    )


async def test_a_page_of_no_rows_still_tells_that_there_are_some(store: Store, three: list[Token]) -> None:
    found = await by_name(store, PageRequest(0))
    assert (found.rows, found.cursors, found.has_next) == ([], [], True)
    assert len(three) == 3


async def test_rows_that_come_and_go_meanwhile_move_no_page(store: Store, three: list[Token]) -> None:
    first = await by_name(store, PageRequest(1))
    gone = three[0]
    async with store.changing() as session:
        session.add(gone)
        gone.deleted_at = NOW
    second = await by_name(store, PageRequest(1, after=first.cursors[-1]))
    assert [token.name for token in second.rows] == ["b"]


async def test_the_same_cursor_in_the_other_direction_is_refused(store: Store, three: list[Token]) -> None:
    first = await by_name(store, PageRequest(len(three)))
    for request in (PageRequest(1, after=first.cursors[0]), PageRequest(1, before=first.cursors[0])):
        with pytest.raises(InvalidInput) as refused:
            await by_name(store, request, descending=True)
        assert refused.value.field == ("after" if request.after else "before")


async def _newest(reader: Reader, workspace_id: str, after: str | None) -> Page[TokenRecord]:
    request = PageRequest(1, after=after)
    return await token_page(reader, TokenFilter(workspace_id), TokenOrder.CREATED_AT, True, request, NOW)


async def test_deep_pages_give_what_first_pages_give(store: Store) -> None:
    """A key beyond what a float holds, or cut to milliseconds, would repeat or skip rows here."""
    workspace = a_workspace()
    tokens = [a_token(workspace, created_at=NOW + timedelta(microseconds=n)) for n in range(5)]
    await add(store, workspace, *tokens)
    seen: list[str] = []
    after = None
    for _ in tokens:
        found = await store.read(partial(_newest, workspace_id=workspace.id, after=after))
        seen += [token.id for token in found.rows]
        after = found.cursors[-1]
    assert seen == [token.id for token in reversed(tokens)]


# Cursors: opaque, checked, and good for one ordering only.


WHEN = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)

moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
keys = st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), texts, moments)


@given(key=keys, identity=texts)
def test_a_cursor_reads_back_as_it_was_written(key: Key, identity: str) -> None:
    assert read_cursor("tokens", type(key), "after", write_cursor("tokens", key, identity)) == (key, identity)


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    east = WHEN.astimezone(timezone(timedelta(hours=9)))
    assert write_cursor("tokens", east, "key_1") == write_cursor("tokens", WHEN, "key_1")


@given(st.data())
def test_any_one_changed_character_is_noticed(data: st.DataObject) -> None:
    cursor = write_cursor("tokens.name.asc", "deploy", "key_1")
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters().filter(lambda one: one != cursor[at]))
    with pytest.raises(InvalidInput) as refused:
        read_cursor("tokens.name.asc", str, "before", cursor[:at] + other + cursor[at + 1 :])
    assert refused.value.field == "before"


@given(st.text(max_size=100))
def test_made_up_text_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_cursor("tokens", str, "after", text)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_cut_cursor_is_refused(cut: int) -> None:
    cursor = write_cursor("tokens", "deploy", "key_1")
    with pytest.raises(InvalidInput):
        read_cursor("tokens", str, "after", cursor[:-cut])


def test_a_cursor_of_another_ordering_is_refused_and_says_so() -> None:
    cursor = write_cursor("tokens.name.asc", "deploy", "key_1")
    with pytest.raises(InvalidInput, match="another list or ordering"):
        read_cursor("tokens.name.desc", str, "after", cursor)


def forge(content: Any) -> str:
    """A cursor with a right checksum and any content: the checksum is no secret."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    checksum = hashlib.sha256(b"spacekey cursor\0" + body).digest()[:8]
    return base64.urlsafe_b64encode(checksum + body).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (str, ["o", 1, "id"]),
        (str, ["o", None, "id"]),
        (str, ["o", "nul\0", "id"]),
        (str, ["o", "half \ud800", "id"]),
        (str, ["o", "key", "nul\0"]),
        (str, ["o", "key", 7]),
        (str, ["o", "key"]),
        (str, ["o", "key", "id", "more"]),
        (str, {"o": 1}),
        (str, 5),
        (str, b"not json"),
        (str, b"\xff\xfe"),
        (str, b"[" * 2_500),
        (int, ["o", "1", "id"]),
        (int, ["o", True, "id"]),
        (int, ["o", 2**63, "id"]),
        (int, ["o", 1.5, "id"]),
        (datetime, ["o", "yesterday", "id"]),
        (datetime, ["o", 5, "id"]),
        (datetime, ["o", "0001-01-01T00:00:00+14:00", "id"]),
    ],
)
def test_a_forged_cursor_never_reaches_the_database(kind: type[Key], content: Any) -> None:
    with pytest.raises(InvalidInput, match="Is not a cursor"):
        read_cursor("o", kind, "after", forge(content))


def test_the_forgery_itself_is_sound() -> None:
    assert read_cursor("o", str, "after", forge(["o", "key", "id"])) == ("key", "id")


def test_an_endless_cursor_is_refused_unread() -> None:
    with pytest.raises(InvalidInput):
        read_cursor("o", str, "after", write_cursor("o", "k" * 10_000, "id"))
