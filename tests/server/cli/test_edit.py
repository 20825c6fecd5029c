"""``spacekey token edit`` and ``spacekey workspace policy``: what is left out stays as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from support.cli import Cli

POLICY = ("expiry_required", "max_lifetime_seconds", "default_lifetime_seconds", "scopes_allowed")


def test_a_tokens_fields_are_edited_one_by_one(filled: Cli) -> None:
    made = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read", "--description", "Old")
    token, left_out = made["id"], {"secret", "effective_at"}

    def edited(*args: str) -> dict[str, object]:
        before = filled.one("token", "show", token)
        after = {
            key: value
            for key, value in filled.one("token", "edit", token, *args, "--yes").items()
            if key not in left_out
        }
        assert after == filled.one("token", "show", token)
        return {key: after[key] for key in after if after[key] != before[key]}

    assert edited("--name", "Two") == {"name": "Two"}
    assert edited("--description", "New") == {"description": "New"}
    assert edited("--description", "") == {"description": None}
    assert edited("-g", "resources:read", "-g", "sessions:write") == {
        "grants": ["resources:read", "sessions:write"],
        "scopes": ["resources:read", "sessions:write"],
    }
    [(field, moment)] = edited("--expires", "30d").items()
    left = datetime.fromisoformat(str(moment)) - datetime.now(UTC)
    assert (field, timedelta(days=29, hours=23) < left <= timedelta(days=30)) == ("expires_at", True)
    assert edited("--expires", "never") == {"expires_at": None}


def test_a_tokens_role_is_edited_as_its_scope(filled: Cli) -> None:
    token = filled.one("token", "create", "CI", "-w", "teamspace-demo", "-g", "viewer")["id"]
    assert filled.one("token", "edit", token, "-g", "member", "--yes")["role"] == "member"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, "--grant, --expires, --external-id or --metadata"),
        (["--name", ""], 2, "spacekey: --name: Must not be empty."),
        (["-g", "sessions:raed"], 2, "spacekey: --grant: Unknown scope 'sessions:raed'. Did you mean 'sessions:read'"),
        (["--expires", "soon"], 2, "spacekey: --expires: Write 90d"),
        (["--expires", "2020-01-01T00:00:00Z"], 2, "spacekey: --expires: Must be in the future."),
        (["--name", "Two", "-g", "nothing"], 2, "spacekey: --grant: "),
    ],
)
def test_a_refused_edit_changes_nothing(filled: Cli, args: list[str], code: int, said: str) -> None:
    token = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read")["id"]
    before = filled.one("token", "show", token)
    assert said in filled.error("token", "edit", token, *args, code=code)
    assert filled.one("token", "show", token) == before


def test_a_revoked_token_cannot_be_edited(filled: Cli) -> None:
    token = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read")["id"]
    filled("token", "revoke", token, "--yes")
    assert "revoked" in filled.error("token", "edit", token, "--name", "Two")


def test_a_workspaces_policy_is_edited_one_by_one(filled: Cli) -> None:
    def policy(*args: str) -> dict[str, object]:
        before = filled.one("workspace", "show", "guard-demo")
        after = filled.one("workspace", "edit", "guard-demo", *args, "--yes")
        assert {key: after[key] for key in before} == filled.one("workspace", "show", "guard-demo")
        return {key: after[key] for key in POLICY if after[key] != before[key]}

    assert policy("--lifetime-max", "90d") == {"max_lifetime_seconds": 90 * 86_400}
    assert policy("--lifetime-default", "12h") == {"default_lifetime_seconds": 43_200}
    assert policy("--expiry-required") == {"expiry_required": True}
    assert policy("--allow", "sessions:read") == {"scopes_allowed": ["sessions:read"]}
    assert policy("--lifetime-max", "none", "--lifetime-default", "none") == {
        "max_lifetime_seconds": None,
        "default_lifetime_seconds": None,
    }
    assert policy("--expiry-optional", "--allow-all") == {"expiry_required": False, "scopes_allowed": None}


def test_a_policy_holds_for_the_next_token(filled: Cli) -> None:
    filled(
        "workspace",
        "edit",
        "guard-demo",
        "--expiry-required",
        "--lifetime-max",
        "1d",
        "--allow",
        "sessions:read",
        "--yes",
    )
    said = filled.error("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read", "--expires", "2d", code=2)
    assert "--expires: Must be within" in said
    assert "policy does not allow" in filled.error(
        "token", "create", "One", "-w", "guard-demo", "-g", "resources:read", code=2
    )


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, "--lifetime-max, --lifetime-default, --expiry-required"),
        (["--allow", "sessions:read", "--allow-all"], 2, "--allow or --allow-all"),
        (["--lifetime-max", "0d"], 2, "spacekey: --lifetime-max: Write 90d, 2w, 1y, 12h, 30min or none."),
        (["--lifetime-default", "soon"], 2, "spacekey: --lifetime-default: Write 90d"),
        (["--lifetime-max", "99999d"], 2, "spacekey: --lifetime-max: "),
        (["--lifetime-max", "1h", "--lifetime-default", "2h"], 2, "spacekey: --lifetime-default: Must not be longer"),
        (
            ["--allow", "sessions:raed"],
            2,
            "spacekey: --allow: Unknown scope 'sessions:raed'. Did you mean 'sessions:read'",
        ),
    ],
)
def test_a_refused_policy_changes_nothing(filled: Cli, args: list[str], code: int, said: str) -> None:
    before = filled.lines("workspace", "list")
    assert said in filled.error("workspace", "edit", "guard-demo", *args, code=code)
    assert filled.lines("workspace", "list") == before
