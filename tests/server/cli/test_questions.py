"""What an owner asks: whose a prefix is, what a secret is, how much is used, which roles there are."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from spacekey.domain.secret import mint
from spacekey.domain.usage import TokenUse
from spacekey.models.engine.store import Store
from spacekey.resolvers.tokens.usage import add
from support.cli import Cli


@pytest.fixture
def made(filled: Cli) -> dict[str, str]:
    return filled.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read")


def test_a_prefix_as_printed_finds_its_token_in_all_workspaces(filled: Cli, made: dict[str, str]) -> None:
    for text in (made["prefix"], made["prefix"].rstrip("…"), f"{made['prefix'].rstrip('…')}..."):
        [found] = filled.lines("token", "whose", text)
        assert (found["id"], found["workspace"]) == (made["id"], "guard-demo")
        assert [one["id"] for one in filled.lines("token", "list", "-w", "guard-demo", "--prefix", text)] == [
            made["id"]
        ]
    assert filled.lines("token", "whose", "sp_live_zzzz") == []
    assert "PREFIX: Give at most the first 12" in filled.error("token", "whose", made["secret"][:20], code=2)


def test_tokens_are_counted_and_compared_with_the_plan(filled: Cli, made: dict[str, str]) -> None:
    assert filled.one("token", "count", "-w", "guard-demo") == {"count": 1, "precision": "exact"}
    assert filled.one("token", "count", "-w", "guard-demo", "--status", "revoked")["count"] == 0
    quota = filled.one("token", "quota", "-w", "guard-demo")
    filled("token", "revoke", made["id"], "--yes")
    assert filled.one("token", "quota", "-w", "guard-demo") == {**quota, "used": quota["used"] - 1}


def test_tokens_are_found_by_a_scope_they_have_now(filled: Cli, made: dict[str, str]) -> None:
    full = filled.one("token", "create", "Full", "-w", "guard-demo", "-g", "full_access")
    found = {one["id"] for one in filled.lines("token", "list", "--scope", "sessions:read")}
    assert found == {made["id"], full["id"]}
    assert "--scope: Unknown scope 'sessions:raed'. Did you mean" in filled.error(
        "token", "list", "--scope", "sessions:raed", code=2
    )


@pytest.mark.parametrize(("command", "reason"), [(None, None), ("disable", "disabled"), ("delete", "deleted")])
def test_a_secret_says_whose_it_is_and_whether_it_is_accepted(
    filled: Cli, made: dict[str, str], command: str | None, reason: str | None
) -> None:
    if command is not None:
        filled("token", command, made["id"], "--yes")
    before = filled.lines("audit", "heads")
    result = filled("token", "verify", "--json", code=0 if reason is None else 1, stdin=f"{made['secret']}\n")
    assert made["secret"] not in result.output
    found = filled.one("token", "verify", stdin=made["secret"]) if reason is None else None
    assert found is None or (found["accepted"], found["token"]["id"]) == (True, made["id"])
    assert f'"reason": {"null" if reason is None else chr(34) + reason + chr(34)}' in result.stdout
    assert filled.lines("audit", "heads") == before
    if command != "delete":
        assert filled.one("token", "show", made["id"])["last_used_at"] is None


def test_an_unknown_secret_is_not_accepted(filled: Cli) -> None:
    secret = mint("gd", "live", lambda size: b"\x05" * size).reveal()
    assert "The secret is not accepted: unknown." in filled("token", "verify", code=1, stdin=secret).stderr
    assert "The secret is not accepted: malformed." in filled("token", "verify", code=1, stdin="nonsense").stderr


def test_usage_is_shown_by_day_and_by_token(filled: Cli, made: dict[str, str]) -> None:
    async def use() -> None:
        store = Store(filled.settings["SPACEKEY_DATABASE_URL"])
        now = datetime.now(UTC)
        async with store.changing() as session:
            uses = [TokenUse(made["id"], now, allowed=3, denied=2, limited=1)]
            await add(session, [*uses, TokenUse(made["id"], now - timedelta(days=40), allowed=9)], now)
        await store.aclose()

    asyncio.run(use())
    today = [{"day": datetime.now(UTC).date().isoformat(), "allowed": 3, "denied": 2, "rate_limited": 1}]
    assert filled.lines("usage", "show", made["id"]) == today
    assert filled.lines("usage", "show", "-w", "guard-demo") == today
    assert len(filled.lines("usage", "show", made["id"], "--days", "60")) == 2
    [busy] = filled.lines("usage", "list", "-w", "guard-demo")
    assert (busy["id"], busy["requests"], busy["rate_limited"]) == (made["id"], 6, 1)
    assert "-w WORKSPACE" in filled.error("usage", "show", code=2)
    assert "--days: Give 1 to 366" in filled.error("usage", "show", made["id"], "--days", "0", code=2)


def test_roles_are_listed_set_and_deleted(filled: Cli) -> None:
    def named() -> dict[str, list[str]]:
        return {one["name"]: one["grants"] for one in filled.lines("role", "list", "-w", "emit-demo")}

    before = named()
    made = filled.one(
        "role", "set", "reviewer", "-w", "emit-demo", "-g", "jobs:read,tokens:read", "--title", "Reviewer"
    )
    assert (made["title"], made["grants"], made["scopes"]) == (
        "Reviewer",
        ["jobs:read", "tokens:read"],
        ["jobs:read", "tokens:read"],
    )
    assert named() == {**before, "reviewer": ["jobs:read", "tokens:read"]}
    filled("role", "delete", "reviewer", "-w", "emit-demo", "--yes")
    assert named() == before
    assert "There is no role 'reviewer'" in filled.error("role", "delete", "reviewer", "-w", "emit-demo", "--yes")
    assert "ROLE: The owner role" in filled.error("role", "set", "owner", "-w", "emit-demo", "-g", "jobs:read", code=2)


def test_a_workspace_and_a_space_are_renamed(filled: Cli) -> None:
    edited = filled.one("workspace", "edit", "emit-demo", "--name", "Emit Ltd", "--slug", "emit-ltd")
    assert (edited["name"], edited["slug"]) == ("Emit Ltd", "emit-ltd")
    space = filled.one("space", "edit", "staging", "-w", "emit-ltd", "--name", "Stage", "--slug", "stage")
    assert filled.one("space", "show", "stage", "-w", "emit-ltd") == space
    assert filled.one("space", "show", space["id"]) == space
    assert "--name, --slug or --external-id" in filled.error("space", "edit", "stage", "-w", "emit-ltd", code=2)


def test_one_member_is_shown(filled: Cli) -> None:
    [owner] = filled.lines("member", "list", "-w", "emit-demo")
    for account in (owner["user_id"], owner["email"]):
        assert filled.one("member", "show", account, "-w", "emit-demo") == owner
    assert "No account has the address" in filled.error("member", "show", "who@example.com", "-w", "emit-demo")


def test_events_are_found_by_outcome_and_time(filled: Cli, made: dict[str, str]) -> None:
    def actions(*args: str) -> list[str]:
        return [one["action"] for one in filled.lines("audit", "list", "-w", "guard-demo", *args)]

    everything = actions()
    assert actions("--since", "1h") == actions("--outcome", "SUCCESS") == everything
    assert actions("--until", "1h") == actions("--outcome", "denied") == []
    assert actions("--since", "2020-01-01", "--until", "2020-02-01T00:00:00Z") == []
    assert "--since: Write a span back" in filled.error("audit", "list", "-w", "guard-demo", "--since", "soon", code=2)
    assert "--outcome: Unknown outcome 'sucess'. Did you mean" in filled.error(
        "audit", "list", "-w", "guard-demo", "--outcome", "sucess", code=2
    )
