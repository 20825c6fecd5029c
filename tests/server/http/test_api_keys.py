"""``/api/v1/api-keys`` over HTTP, on both databases."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import pytest

from spacekey.domain.page import TokenOrder
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from spacekey.schema.types.filters import TokenFilter, TokenOrderField
from spacekey.server.http.api_keys import CREATED
from spacekey.server.http.request_models import ListApiKeys
from support.server import Served, bearer, fault_of, served
from support.world import OPERATOR

SPOOLED = {"name": "Production Server", "permissions": ["jobs:read", "jobs:write", "queues:read"]}
MANAGE = ("tokens:read", "tokens:create", "tokens:update", "tokens:disable", "tokens:revoke")


async def test_the_documented_request_gets_the_documented_answer_to_the_letter(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, *SPOOLED["permissions"], "tokens:create")
        answer = await server.client.post("/api/v1/api-keys", json=SPOOLED, headers=bearer(admin))
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        assert tuple(body)[: len(CREATED)] == CREATED
        assert re.fullmatch(r"key_[0-9a-z]{26}", body["id"])
        assert re.fullmatch(r"sp_live_[0-9A-Za-z]{38}", body["key"])
        assert body["name"] == SPOOLED["name"]
        assert sorted(body["permissions"]) == sorted(SPOOLED["permissions"])
        assert re.fullmatch(r"2026-06-01T12:00:00\.\d{3}Z", body["created_at"])
        seen = await server.client.get("/api/v1/self", headers=bearer(body["key"]))
        assert seen.json()["scopes"] == sorted(SPOOLED["permissions"])


async def test_an_answer_to_a_create_or_a_rotation_is_the_whole_key_beginning_with_the_documented_five(
    database_url: str,
) -> None:
    """Also what the request did not name: a default lifetime of the workspace's policy is in the answer."""
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        await update_workspace(
            server.world.system, OPERATOR, workspace.id, WorkspaceChanges(lifetime_seconds_default=86_400)
        )
        space = await server.world.space(workspace)
        _, admin = await server.token(workspace.id, "jobs:read", *MANAGE)
        wishes: list[dict[str, Any]] = [
            {},
            {"description": "for builds", "environment": "live", "expires_at": "2026-07-01T00:00:00+02:00"},
            {"space_id": space.id, "expires_at": None},
        ]
        for wish in wishes:
            asked = {"name": "CI", "permissions": ["jobs:read"], **wish}
            made = await server.client.post("/api/v1/api-keys", json=asked, headers=bearer(admin))
            rotated = await server.client.post(f"{made.headers['location']}/rotate", headers=bearer(admin))
            for answer in (made, rotated):
                assert answer.status_code == 201, answer.text
                body = answer.json()
                assert tuple(body)[: len(CREATED)] == CREATED
                shown = (await server.client.get(answer.headers["location"], headers=bearer(admin))).json()
                changed = {"rotated_to", "grace_ends_at"} if answer is made else set()
                assert {name: body[name] for name in shown.keys() - changed} == {
                    name: value for name, value in shown.items() if name not in changed
                }
                assert body.keys() == shown.keys() | {"key", "effective_at"}
        assert made.json()["expires_at"] is None


async def test_a_key_is_listed_shown_edited_disabled_enabled_rotated_and_revoked(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "jobs:read", "queues:read", *MANAGE)
        key_id, secret = await server.token(workspace.id, "jobs:read")
        who = bearer(admin)

        async def ask(method: str, path: str = "", body: Any = None) -> Any:
            answer = await server.client.request(method, f"/api/v1/api-keys/{key_id}{path}", json=body, headers=who)
            assert answer.status_code in (200, 201), answer.text
            return answer.json()

        assert (await ask("GET"))["status"] == "active"
        edited = await ask("PATCH", body={"name": "renamed", "permissions": ["queues:read"], "description": "d"})
        assert (edited["name"], edited["permissions"], edited["description"]) == ("renamed", ["queues:read"], "d")
        assert (await ask("PATCH", body={"description": None}))["description"] == ""
        assert (await ask("PATCH", body={"disabled": True}))["status"] == "disabled"
        assert (await server.client.get("/api/v1/self", headers=bearer(secret))).status_code == 401
        assert (await ask("PATCH", body={"disabled": False}))["status"] == "active"
        rotated = await ask("POST", "/rotate", {"grace_seconds": 60})
        assert rotated["rotated_from"] == key_id
        assert rotated["permissions"] == ["queues:read"]
        assert (await server.client.get("/api/v1/self", headers=bearer(rotated["key"]))).status_code == 200
        again = await server.client.post(f"/api/v1/api-keys/{key_id}/rotate", headers=who)
        assert (again.status_code, again.json()["successor_id"]) == (409, rotated["id"])
        assert (await ask("DELETE"))["status"] == "revoked"
        assert (await server.client.get("/api/v1/self", headers=bearer(secret))).status_code == 401
        listed = (await server.client.get("/api/v1/api-keys?status=revoked", headers=who)).json()
        assert [one["id"] for one in listed["api_keys"]] == [key_id]
        assert "key" not in listed["api_keys"][0]


@pytest.mark.parametrize("by_link", [True, False], ids=["Link", "next_cursor"])
async def test_pages_follow_one_another_without_gaps_or_repeats(database_url: str, by_link: bool) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "tokens:read")
        for _ in range(5):
            server.world.clock.forward(seconds=1)
            await server.token(workspace.id, "jobs:read")
        seen: list[str] = []
        path = "/api/v1/api-keys?limit=2&status=active&status=disabled"
        for number in range(3):
            answer = await server.client.get(path, headers=bearer(admin))
            page = answer.json()
            seen += [one["id"] for one in page["api_keys"]]
            assert page["has_more"] is (number < 2) is (page["next_cursor"] is not None) is ("next" in answer.links)
            if number < 2:
                followed = urljoin(path, answer.links["next"]["url"])
                path = (
                    followed
                    if by_link
                    else f"/api/v1/api-keys?limit=2&status=active,disabled&after={page['next_cursor']}"
                )
        assert len(seen) == len(set(seen)) == 6
        assert seen == sorted(seen, reverse=True)


async def test_the_list_has_the_filters_and_the_orders_of_graphql(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        _, admin = await server.token(workspace.id, "jobs:read", "tokens:read", "tokens:create")

        async def make(name: str, **more: Any) -> None:
            asked = {"name": name, "permissions": ["jobs:read"], **more}
            assert (await server.client.post("/api/v1/api-keys", json=asked, headers=bearer(admin))).is_success

        await make("deploy")
        await make("Ending", expires_in=3_600)
        await make("in a space", space_id=space.id)

        async def names(query: str) -> list[str]:
            answer = await server.client.get(f"/api/v1/api-keys?{query}", headers=bearer(admin))
            assert answer.status_code == 200, answer.text
            return [one["name"] for one in answer.json()["api_keys"]]

        assert await names("kind=space") == ["in a space"]
        assert await names("text=DEPL") == ["deploy"]
        assert await names("expiring_within_days=1") == ["Ending"]
        assert await names("order_by=name&direction=asc") == ["a token", "deploy", "Ending", "in a space"]
        assert await names("order_by=name") == ["in a space", "Ending", "deploy", "a token"]
        assert await names("scope=tokens:read") == ["a token"]
        assert len(await names("scope=jobs:read&count=true")) == 4
        assert await names("created_before=2026-06-01T12:00:00Z") == []
        assert len(await names("created_after=2026-06-01T12:00:00Z")) == 4
        shown = (await server.client.get("/api/v1/api-keys?text=deploy", headers=bearer(admin))).json()["api_keys"][0]
        for printed in (shown["prefix"], shown["prefix"].rstrip("…"), f"{shown['prefix'].rstrip('…')}..."):
            answer = await server.client.get("/api/v1/api-keys", params={"prefix": printed}, headers=bearer(admin))
            assert [one["name"] for one in answer.json()["api_keys"]] == ["deploy"]
        server.world.clock.forward(days=2)
        assert set(await names("unused_for_days=1")) >= {"deploy", "Ending", "in a space"}
        assert await names("unused_for_days=3") == []


async def test_keys_are_counted_only_when_asked_and_those_that_meet_the_conditions(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        _, admin = await server.token(workspace.id, "tokens:read")
        _, part = await server.token(workspace.id, "tokens:read", space_id=space.id)
        for _ in range(3):
            await server.token(workspace.id, "jobs:read")

        async def page(query: str, who: str = admin) -> Any:
            return (await server.client.get(f"/api/v1/api-keys?limit=1{query}", headers=bearer(who))).json()

        assert not {"count", "count_precision"} & (await page("")).keys()
        assert not {"count", "count_precision"} & (await page("&count=false")).keys()
        for query, who, count in (
            ("", admin, 5),
            ("&scope=jobs:read", admin, 3),
            (f"&space_id={space.id}", admin, 1),
            ("", part, 1),
            ("&status=revoked", admin, 0),
        ):
            found = await page(f"&count=true{query}", who)
            assert (found["count"], found["count_precision"]) == (count, "exact"), query


async def test_a_person_sees_the_keys_of_all_workspaces_in_one_order(database_url: str) -> None:
    async with served(database_url) as server:
        own = [await server.world.workspace("spooled", slug=f"w{number}") for number in range(2)]
        foreign = await server.world.workspace("spooled", slug="foreign")
        person = await server.world.member(own[0], "owner", "ann@example.com")
        await add_member(server.world.system, OPERATOR, own[1].id, email=person.name, role="owner")
        made = []
        for workspace in (own[0], own[1], foreign, own[0]):
            server.world.clock.forward(seconds=1)
            made.append((await server.token(workspace.id, "jobs:read"))[0])
        browser = await server.cookie("ann@example.com")
        path, seen = "/api/v1/api-keys?limit=2", []
        for _ in range(2):
            answer = await server.client.get(path, headers=browser)
            seen += [one["id"] for one in answer.json()["api_keys"]]
            path = urljoin(path, answer.links["next"]["url"]) if answer.json()["has_more"] else path
        assert seen == [made[3], made[1], made[0]]
        for query in ("count=true", f"space_id={(await server.world.space(own[0])).id}"):
            refused = await server.client.get(f"/api/v1/api-keys?{query}", headers=browser)
            assert (refused.status_code, fault_of(refused)) == (422, "workspace_id")


async def test_rest_and_graphql_call_each_filter_and_order_by_the_same_name() -> None:
    in_graphql = {
        one.python_name
        for one in TokenFilter.__strawberry_definition__.fields  # type: ignore[attr-defined]
    }
    in_rest = set(ListApiKeys.model_fields) - {
        *("workspace_id", "space_id", "limit", "after", "order_by", "direction", "count")
    }
    assert in_rest == in_graphql
    assert {one.lower() for one in TokenOrderField.__members__} == set(TokenOrder)


async def test_a_reason_is_kept_and_disable_and_enable_are_requests_of_their_own(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "jobs:read", *MANAGE)
        key_id, secret = await server.token(workspace.id, "jobs:read")

        async def ask(what: str, body: Any = None) -> Any:
            answer = await server.client.post(f"/api/v1/api-keys/{key_id}/{what}", json=body, headers=bearer(admin))
            assert answer.status_code == 200, answer.text
            return answer.json()

        assert (await ask("disable"))["status"] == "disabled"
        assert (await server.client.get("/api/v1/self", headers=bearer(secret))).status_code == 401
        assert (await ask("enable"))["status"] == "active"
        revoked = await ask("revoke", {"reason": "leaked in a log"})
        assert (revoked["status"], revoked["revoked_reason"]) == ("revoked", "leaked in a log")
        again = await server.client.post(f"/api/v1/api-keys/{key_id}/enable", headers=bearer(admin))
        assert (again.status_code, again.json()["code"]) == (409, "token_revoked")


async def test_a_merge_patch_is_taken_as_such(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "jobs:read", *MANAGE)
        key_id, _ = await server.token(workspace.id, "jobs:read")
        for media, status in (
            ("application/merge-patch+json", 200),
            ("application/merge-patch+json; charset=utf-8", 200),
            ("application/json-patch+json", 415),
        ):
            answer = await server.client.patch(
                f"/api/v1/api-keys/{key_id}", content=b'{"name": "N"}', headers={**bearer(admin), "Content-Type": media}
            )
            assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("sent", "named"), [("{}", True), ("Basic {}", False), ("{}x", False), ("Token {}", False), ("{} ", True)]
)
async def test_a_token_without_its_scheme_is_told_what_lacks(database_url: str, sent: str, named: bool) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        for one in (secret, "sp_live_" + "x" * 38):
            answer = await server.client.get("/api/v1/self", headers={"Authorization": sent.format(one)})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert ("Write 'Bearer'" in answer.json()["detail"]) is named
            assert one not in answer.text


async def test_a_space_token_makes_keys_of_its_space_and_sees_no_others(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        await server.token(workspace.id, "jobs:read")
        _, secret = await server.token(workspace.id, "jobs:read", *MANAGE, space_id=space.id)
        made = await server.client.post(
            "/api/v1/api-keys", json={"name": "mine", "permissions": ["jobs:read"]}, headers=bearer(secret)
        )
        assert made.status_code == 201, made.text
        assert tuple(made.json())[: len(CREATED)] == CREATED
        listed = (await server.client.get("/api/v1/api-keys", headers=bearer(secret))).json()["api_keys"]
        assert {one["space_id"] for one in listed} == {space.id}
        assert len(listed) == 2


async def test_a_member_names_the_workspace_or_the_space(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        await server.world.member(workspace, "owner", "ann@example.com")
        browser = await server.cookie("ann@example.com")
        wish: dict[str, Any] = {"name": "k", "permissions": ["jobs:read"]}
        without = await server.client.post("/api/v1/api-keys", json=wish, headers=browser)
        assert (without.status_code, fault_of(without)) == (422, "workspace_id")
        for place in ({"workspace_id": workspace.id}, {"space_id": space.id}):
            made = await server.client.post("/api/v1/api-keys", json=wish | place, headers=browser)
            assert made.status_code == 201, made.text
        listed = await server.client.get(f"/api/v1/api-keys?workspace_id={workspace.id}", headers=browser)
        assert len(listed.json()["api_keys"]) == 2


async def test_a_member_who_lacks_a_scope_is_told_of_a_role_and_not_of_a_token(database_url: str) -> None:
    async with served(database_url) as server:
        own, other = await server.world.workspace("teamspace"), await server.world.workspace("teamspace")
        await server.world.member(other, "viewer", "ann@example.com")
        browser = await server.cookie("ann@example.com")
        wish = {"name": "k", "permissions": ["viewer"], "workspace_id": other.id}
        nowhere = await server.client.post("/api/v1/api-keys", json=wish, headers=browser)
        await add_member(server.world.system, OPERATOR, own.id, email="ann@example.com", role="owner")
        not_there = await server.client.post("/api/v1/api-keys", json=wish, headers=browser)
        for answer in (nowhere, not_there):
            assert (answer.status_code, answer.json()["missing_scopes"]) == (403, ["tokens:create"])
            assert answer.json()["detail"] == "Your role lacks a scope."
            assert 'error_description="Your role lacks a scope."' in answer.headers["www-authenticate"]
        _, secret = await server.token(own.id, "viewer")
        by_token = await server.client.post("/api/v1/api-keys", json=wish, headers=bearer(secret))
        assert by_token.json()["detail"] == "The token lacks a scope."


async def test_unknown_foreign_and_malformed_ids_answer_alike(database_url: str) -> None:
    async with served(database_url) as server:
        workspace, foreign = await server.world.workspace("spooled"), await server.world.workspace("spooled")
        foreign_id, _ = await server.token(foreign.id, "jobs:read")
        _, admin = await server.token(workspace.id, *MANAGE)
        unknown = foreign_id[:-4] + "0000"
        answers = set()
        for key_id in (foreign_id, unknown, "nonsense", "key_%00", "ws_" + foreign_id[4:]):
            for method, path, body in (
                ("GET", "", None),
                ("PATCH", "", {"name": "n"}),
                ("DELETE", "", None),
                ("POST", "/rotate", None),
            ):
                answer = await server.client.request(
                    method, f"/api/v1/api-keys/{key_id}{path}", json=body, headers=bearer(admin)
                )
                answers.add((answer.status_code, answer.text))
        assert len(answers) == 1
        assert next(iter(answers))[0] == 404


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"permissions": ["jobs:read"]}, "name"),
    ({"name": "", "permissions": ["jobs:read"]}, "name"),
    ({"name": "x" * 201, "permissions": ["jobs:read"]}, "name"),
    ({"name": "a\nb", "permissions": ["jobs:read"]}, "name"),
    ({"name": 7, "permissions": ["jobs:read"]}, "name"),
    ({"name": "k", "permissions": []}, "permissions"),
    ({"name": "k"}, "permissions"),
    ({"name": "k", "permissions": "jobs:read"}, "permissions"),
    ({"name": "k", "permissions": ["jobs:raed"]}, "permissions.0"),
    ({"name": "k", "permissions": ["jobs:read"] * 101}, "permissions"),
    ({"name": "k", "permissions": ["jobs:read"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"name": "k", "permissions": ["jobs:read"], "expires_at": "2027-01-01T00:00:00"}, "expires_at"),
    ({"name": "k", "permissions": ["jobs:read"], "expires_at": 5}, "expires_at"),
    ({"name": "k", "permissions": ["jobs:read"], "expires_at": "2027-02-30T00:00:00Z"}, "expires_at"),
    ({"name": "k", "permissions": ["jobs:read"], "environment": "prod"}, "environment"),
    ({"name": "k", "permissions": ["jobs:read"], "preset": "nope"}, "preset"),
    ({"name": "k", "permissons": ["jobs:read"]}, "permissons"),
]


async def test_bad_input_is_refused_by_field_and_changes_nothing(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "jobs:read", "tokens:create", "tokens:read")
        for body, field in INVALID:
            answer = await server.client.post("/api/v1/api-keys", json=body, headers=bearer(admin))
            assert (answer.status_code, fault_of(answer)) == (422, field), (body, answer.text)
            assert answer.json()["errors"][0]["detail"]
        listed = await server.client.get("/api/v1/api-keys", headers=bearer(admin))
        assert len(listed.json()["api_keys"]) == 1


@pytest.mark.parametrize("path", ["", "/{id}/rotate", "/{id}"])
async def test_all_faults_are_told_at_once_also_those_of_two_fields_together(database_url: str, path: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        key_id, admin = await server.token(workspace.id, *MANAGE)
        both = {"expires_at": "2030-01-31T12:00:00Z", "expires_in": 60}
        sent, pointers = {
            "": ({"name": 1, **both, "space_id": 2}, {"/name", "/space_id", "/expires_in"}),
            "/{id}/rotate": (
                {"grace_seconds": -1, **both, "expires_at": "x"},
                {"/grace_seconds", "/expires_at", "/expires_in"},
            ),
            "/{id}": ({"name": 1, **both, "disabled": True}, {"/name", "/expires_in", "/disabled"}),
        }[path]
        method = "PATCH" if path == "/{id}" else "POST"
        address = f"/api/v1/api-keys{path.format(id=key_id)}"
        answer = await server.client.request(method, address, json=sent, headers=bearer(admin))
        assert answer.status_code == 422, answer.text
        assert {one["pointer"] for one in answer.json()["errors"]} == pointers


async def test_near_matches_are_named_for_fields_and_permissions(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "jobs:read", "tokens:create")
        for body, near in (
            ({"name": "k", "permissons": []}, "'permissions'"),
            ({"name": "k", "permissions": ["jobs:raed"]}, "'jobs:read'"),
        ):
            answer = await server.client.post("/api/v1/api-keys", json=body, headers=bearer(admin))
            assert near in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=٣",
        "after=nonsense",
        "status=gone",
        "environment=x",
        "lmit=1",
        "order_by=x",
        "direction=up",
        "kind=x",
        "unused_for_days=-1",
        "scope=jobs:raed",
        "prefix=%20",
        "created_after=yesterday",
        "count=1",
    ],
)
async def test_bad_queries_of_the_list_are_refused(database_url: str, query: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "tokens:read")
        answer = await server.client.get(f"/api/v1/api-keys?{query}", headers=bearer(admin))
        assert (answer.status_code, fault_of(answer)) == (422, query.split("=")[0])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "?limit=1&limit=2"),
        ("GET", "?kind=space&limit=1&kind=space"),
        ("PATCH", "/{id}?wait=true&wait=false"),
        ("DELETE", "/{id}?wait=false&wait=false"),
        ("POST", "/{id}/rotate?wait=false&wait=true"),
    ],
)
async def test_a_parameter_given_twice_is_refused_and_nothing_is_changed(
    database_url: str, method: str, path: str
) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        key_id, admin = await server.token(workspace.id, *MANAGE)
        body = {"name": "changed"} if method == "PATCH" else None
        address = "/api/v1/api-keys" + path.format(id=key_id)
        answer = await server.client.request(method, address, json=body, headers=bearer(admin))
        assert (answer.status_code, answer.json()["code"]) == (400, "repeated_parameter"), answer.text
        assert answer.json()["detail"] in ("Give 'limit' once.", "Give 'kind' once.", "Give 'wait' once.")
        shown = (await server.client.get(f"/api/v1/api-keys/{key_id}", headers=bearer(admin))).json()
        assert (shown["name"], shown["status"], shown["rotated_to"]) == ("a token", "active", None)


async def test_nobody_hands_out_more_than_they_hold(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "jobs:read", *MANAGE)
        powerful, _ = await server.token(workspace.id, "dlq:write")
        create = await server.client.post(
            "/api/v1/api-keys", json={"name": "k", "permissions": ["dlq:write"]}, headers=bearer(admin)
        )
        rotate = await server.client.post(f"/api/v1/api-keys/{powerful}/rotate", headers=bearer(admin))
        for answer in (create, rotate):
            assert answer.status_code == 403
            assert answer.json()["code"] == "scope_not_allowed"
            assert answer.json()["missing_scopes"] == ["dlq:write"]


async def test_an_expired_key_is_refused_and_shown_as_expired(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "tokens:read")
        key_id, secret = await server.token(workspace.id, "jobs:read", expires_in=timedelta(hours=1))
        assert await _status(server, secret) == 200
        server.world.clock.forward(hours=1)
        assert await _status(server, secret) == 401
        shown = await server.client.get(f"/api/v1/api-keys/{key_id}", headers=bearer(admin))
        assert shown.json()["status"] == "expired"


async def _status(server: Served, secret: str) -> int:
    return (await server.client.get("/api/v1/self", headers=bearer(secret))).status_code


# Where a token's scope is a role, its grants are exactly one role, by every door that gives grants.


KEYS = "/api/v1/api-keys"
CREATE = """mutation ($input: CreateTokenInput!) { answer: createToken(input: $input) {
  ... on InvalidInput { errors { path message } } ... on CreateTokenSuccess { token { role grants } } } }"""
UPDATE = """mutation ($input: UpdateTokenInput!) { answer: updateToken(input: $input) {
  ... on InvalidInput { errors { path message } } ... on UpdateTokenSuccess { token { role grants } } } }"""

NOT_ONE_ROLE = [
    ["documents:read"],
    ["viewer", "member"],
    ["viewer", "billing:write"],
    ["viewer", "viewer"],
    ["tokens:introspect"],
    ["viever"],
    [],
]


async def _asked(server: Served, admin: str, document: str, **values: Any) -> dict[str, Any]:
    body = {"query": document, "variables": {"input": values}}
    answer = (await server.client.post("/graphql", json=body, headers=bearer(admin))).json()
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]["answer"]
    return found


@pytest.mark.parametrize("grants", NOT_ONE_ROLE, ids=" ".join)
async def test_anything_but_one_role_is_refused_and_changes_nothing(database_url: str, grants: list[str]) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("teamspace")
        key_id, admin = await server.token(workspace.id, "owner")
        wish = {"name": "n", "permissions": grants}
        by_rest = [
            await server.client.post(KEYS, json=wish, headers=bearer(admin)),
            await server.client.patch(f"{KEYS}/{key_id}", json={"permissions": grants}, headers=bearer(admin)),
        ]
        for answer in by_rest:
            assert answer.status_code == 422, answer.text
            assert "exactly one role" in answer.json()["detail"]
        by_graphql = [
            await _asked(server, admin, CREATE, ownerId=workspace.id, name="n", grants=grants),
            await _asked(server, admin, UPDATE, id=key_id, grants=grants),
        ]
        for found in by_graphql:
            assert found["errors"][0]["path"][0] == "grants"
            assert "administrator, manager, member, owner, viewer" in found["errors"][0]["message"]
        listed = (await server.client.get(KEYS, headers=bearer(admin))).json()["api_keys"]
        assert [one["permissions"] for one in listed] == [["owner"]]


async def test_one_role_of_the_products_or_of_the_workspaces_own_is_given(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("teamspace")
        _, admin = await server.token(workspace.id, "owner")
        role = """mutation ($input: SetRoleInput!) { answer: setRole(input: $input) { __typename } }"""
        values = {"workspaceId": workspace.id, "name": "auditor", "grants": ["audit:read"]}
        assert (await _asked(server, admin, role, **values))["__typename"] == "SetRoleSuccess"
        for name in ("viewer", "auditor"):
            made = await _asked(server, admin, CREATE, ownerId=workspace.id, name="n", grants=[name])
            assert made["token"] == {"role": name, "grants": [name]}


async def test_a_mistyped_role_is_told_the_near_one(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("teamspace")
        _, admin = await server.token(workspace.id, "owner")
        found = await _asked(server, admin, CREATE, ownerId=workspace.id, name="n", grants=["viever"])
        assert "Did you mean 'viewer'?" in found["errors"][0]["message"]
