"""Run the tests of one app of ``apps/``, before and after the lines that add Spacekey to it; runs in an environment
that has the packages of that app.

Lines that end in ``# new`` are not there before, and those with ``# was: …`` are as they were.
"""

import asyncio
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import httpx

LINES_MAX = 5
ADDED = re.compile(r"\S.*?\s*# new$")
CHANGED = re.compile(r"^(\s*)\S.*# was: (.*)$")


def before_and_after(source: str) -> tuple[str, str, int]:
    """Return the app without Spacekey, the app with it, and how many lines are added."""
    before, added = [], 0
    for line in source.splitlines():
        changed = CHANGED.match(line)
        if changed:
            before.append(changed[1] + changed[2])
        elif ADDED.search(line):
            added += 1
        else:
            before.append(line)
    return "\n".join(before), source, added


async def asked(client: httpx.AsyncClient, how: str, what: str, headers: dict[str, str]) -> tuple[int, Any]:
    """Return the status of a request for what is protected, and the codes of GraphQL's errors."""
    if how == "GRAPHQL":
        answer = await client.post("/graphql", json={"query": what}, headers=headers)
        codes = [error["extensions"]["code"] for error in answer.json().get("errors", [])]
        return answer.status_code, codes
    answer = await client.request(how, what, headers=headers)
    return answer.status_code, answer.headers.get("www-authenticate", "")[:6]


async def own_tests(app: dict[str, Any], **options: Any) -> None:
    """Run the app's own tests."""
    transport = httpx.ASGITransport(app["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", **options) as client:
        await app["own_tests"](client)


async def protected(app: dict[str, Any]) -> dict[str, tuple[int, Any]]:
    """Return what callers get of what is protected."""
    how, what, scope = app["PROTECTED"]
    secrets = {"with the scope": app["verifier"].issue(scope), "with another": app["verifier"].issue("other:read")}
    sent = {name: {"Authorization": f"Bearer {secret.reveal()}"} for name, secret in secrets.items()}
    transport = httpx.ASGITransport(app["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return {name: await asked(client, how, what, headers) for name, headers in {"without": {}, **sent}.items()}


async def admin_statuses(app: dict[str, Any]) -> dict[str, set[int]]:
    """Return how the pages of a mounted admin answer, with and without a token."""
    scope = app["PROTECTED"][2]
    sent = {"with the scope": {"Authorization": f"Bearer {app['verifier'].issue(scope).reveal()}"}, "without": {}}
    transport = httpx.ASGITransport(app["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return {
            name: {(await client.get(page, headers=headers)).status_code for page in ADMIN_PAGES}
            for name, headers in sent.items()
        }


ADMIN_PAGES = ("/admin/", "/admin/user/list", "/admin/user/create")
ADMIN_RULE = 'rules = {("*", "/admin/**"): "reports:read", '


def main(path: Path) -> None:
    """Run one app."""
    before, after, lines = before_and_after(path.read_text(encoding="utf-8"))
    assert "spacekey" not in before, before
    bare = path.with_name(f"bare_{path.name}")
    bare.write_text(before, encoding="utf-8")
    asyncio.run(own_tests(runpy.run_path(str(bare))))
    app = runpy.run_path(str(path))
    asyncio.run(own_tests(app))
    found = asyncio.run(protected(app))
    assert lines <= LINES_MAX, f"{lines} lines are added"
    if ADMIN_PAGES[0].strip("/") in path.name:
        whole = path.with_name(f"whole_{path.name}")
        whole.write_text(after.replace("rules = {", ADMIN_RULE), encoding="utf-8")
        found_there = asyncio.run(admin_statuses(runpy.run_path(str(whole))))
        assert found_there == {"with the scope": {200}, "without": {401}}, found_there
    refused = ([401, 403], ["Bearer", "Bearer"]) if app["PROTECTED"][0] != "GRAPHQL" else ([200, 200], None)
    assert [found["without"][0], found["with another"][0]] == refused[0], found
    assert found["with the scope"] in ((200, ""), (200, [])), found
    if app["PROTECTED"][0] == "GRAPHQL":
        assert found["without"][1] != [] != found["with another"][1], found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
