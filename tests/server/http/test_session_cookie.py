"""The browser's session: one cookie, of one shape, that another sign-in replaces; and what a view covers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from spacekey.domain.refusal import NotFound
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.authority import authority_in
from spacekey.resolvers.access.caller import TokenCaller
from spacekey.resolvers.members.members import Invited, add_member
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from spacekey.server.http.session_cookie import COOKIE
from support.server import Served, served
from support.world import FACTS, OPERATOR, PASSWORD

SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
CHANGE_PASSWORD = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }"
ACCEPT = "mutation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) { __typename } }"
ME = "{ me { user { email } } }"
ADA, EVE = "ada@example.com", "eve@example.com"


async def ask(server: Served, query: str, *cookies: str, **given: Any) -> httpx.Response:
    """One request of a browser with these session cookies."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    if cookies:
        headers["Cookie"] = "; ".join(f"{COOKIE}={one}" for one in cookies)
    variables = {"input": given} if given else {}
    answer = await server.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    server.client.cookies.clear()
    return answer


def session_in(answer: httpx.Response) -> str:
    """The session in the one cookie that an answer sets."""
    (cookie,) = answer.headers.get_list("set-cookie")
    pair, *attributes = cookie.split("; ")
    assert set(attributes) == {"Max-Age=1209600", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
    name, _, value = pair.partition("=")
    assert (name, len(value)) == ("__Host-spacekey", 43)
    return value


async def signed_in(server: Served, email: str = ADA, *cookies: str) -> str:
    return session_in(await ask(server, SIGN_IN, *cookies, email=email, password=PASSWORD))


async def who(server: Served, *cookies: str) -> str | None:
    """Whose session the cookies are."""
    me = (await ask(server, ME, *cookies)).json()["data"]["me"]
    return None if me is None else str(me["user"]["email"])


async def test_exactly_one_cookie_is_a_session(database_url: str) -> None:
    async with served(database_url) as server:
        for email in (ADA, EVE):
            await server.world.user(email)
        ada, eve = await signed_in(server), await signed_in(server, EVE)
        assert [await who(server, one) for one in (ada, eve)] == [ADA, EVE]
        for cookies in ((ada, eve), (eve, ada), (ada, ada), (ada, "")):
            assert await who(server, *cookies) is None
        for broken in (ada[:-1], ada + "A", ada[:-1] + "=", f" {ada[1:]}", ada[:-1] + "\u00e4"[0]):
            if broken.isascii():
                assert await who(server, broken) is None


@pytest.mark.parametrize("second", [ADA, EVE])
async def test_signing_in_ends_the_session_that_the_browser_had(database_url: str, second: str) -> None:
    async with served(database_url) as server:
        for email in (ADA, EVE):
            await server.world.user(email)
        elsewhere, old = await signed_in(server), await signed_in(server)
        new = await signed_in(server, second, old)
        assert new != old
        assert [await who(server, one) for one in (old, new, elsewhere)] == [None, second, ADA]


async def test_a_failed_sign_in_ends_nothing(database_url: str) -> None:
    async with served(database_url) as server:
        await server.world.user(ADA)
        old = await signed_in(server)
        answer = await ask(server, SIGN_IN, old, email=ADA, password="wrong" * 4)
        assert "set-cookie" not in answer.headers
        assert await who(server, old) == ADA


async def test_another_password_ends_every_session_and_gives_a_new_one(database_url: str) -> None:
    async with served(database_url) as server:
        await server.world.user(ADA)
        elsewhere, old = await signed_in(server), await signed_in(server)
        given = {"current": PASSWORD, "new": "eleven copper kettles in a row"}
        new = session_in(await ask(server, CHANGE_PASSWORD, old, **given))
        assert [await who(server, one) for one in (elsewhere, old, new)] == [None, None, ADA]


async def test_accepting_an_invitation_signed_in_keeps_the_session_and_sets_no_cookie(database_url: str) -> None:
    async with served(database_url) as server:
        ada = await server.world.user(ADA)
        workspace = await server.world.workspace("spooled")
        owner = await server.world.member(workspace, "owner")
        old = await signed_in(server)
        added = await add_member(server.world.system, owner, workspace.id, email=ada.name, role="member")
        assert isinstance(added, Invited)
        answer = await ask(server, ACCEPT, old, code=added.invitation.reveal())
        assert answer.json()["data"]["acceptInvitation"]["__typename"] == "AcceptInvitationSuccess"
        assert "set-cookie" not in answer.headers
        assert await who(server, old) == ADA


async def test_a_suspended_workspace_refuses_its_tokens_and_their_authority(database_url: str) -> None:
    async with served(database_url) as server:
        system, workspace = server.world.system, await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "tokens:read", "jobs:read")
        caller = TokenCaller(token_id, "t", workspace.id, FACTS)

        async def status() -> int:
            headers = {"Authorization": f"Bearer {secret}"}
            return (await server.client.get("/api/v1/api-keys", headers=headers)).status_code

        assert await status() == 200
        for suspended, expected in ((True, 401), (False, 200)):
            await update_workspace(system, OPERATOR, workspace.id, WorkspaceChanges(suspended=suspended))
            assert await status() == expected
            async with system.store.reading() as session:
                if suspended:
                    with pytest.raises(NotFound):
                        await authority_in(session, system, caller, workspace.id)
                else:
                    await authority_in(session, system, caller, workspace.id)


async def test_a_token_sees_the_tokens_of_its_workspace_or_of_its_space_alone(database_url: str) -> None:
    async with served(database_url) as server:
        system = server.world.system
        mine, foreign = [await server.world.workspace("spooled") for _ in range(2)]
        one, two = [await server.world.space(mine, slug) for slug in ("one", "two")]
        there = await server.world.space(foreign, "there")
        tokens = {
            name: (await server.token(workspace.id, "tokens:read", space_id=None if space is None else space.id))[0]
            for name, workspace, space in (
                ("mine", mine, None), ("one", mine, one), ("two", mine, two),
                ("foreign", foreign, None), ("there", foreign, there),
            )
        }  # fmt: skip

        async def seen_by(name: str, workspace_id: str) -> set[str]:
            caller, found = TokenCaller(tokens[name], "t", workspace_id, FACTS), set()
            for other, token_id in tokens.items():
                try:
                    await token_view(system, caller, token_id)
                except NotFound:
                    continue
                found.add(other)
            return found

        assert await seen_by("mine", mine.id) == {"mine", "one", "two"}
        assert await seen_by("one", mine.id) == {"one"}
        assert await seen_by("there", foreign.id) == {"there"}
        caller = TokenCaller(tokens["one"], "t", mine.id, FACTS)
        async with system.store.reading() as session:
            authority = await authority_in(session, system, caller, mine.id)
            rows = {name: await session.get(Token, token_id) for name, token_id in tokens.items()}
        assert {name for name, row in rows.items() if row is not None and authority.covers(row)} == {"one"}
