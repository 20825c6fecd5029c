"""Run the app with fastapi-users and the function of docs/how-to/two-kinds-of-callers.md, its fallback authenticator.

Runs in an environment that has the packages of that app: ``run_two_kinds.py APP PAGE``.
"""

import asyncio
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import httpx

BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)
ADA = {"email": "ada@example.com", "password": "seven boats"}


async def both_kinds(app: dict[str, Any]) -> None:
    """Call a route with a rule in every way."""
    transport = httpx.ASGITransport(app["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        await app["own_tests"](client)
        form = {"username": ADA["email"], "password": ADA["password"]}
        jwt = (await client.post("/auth/jwt/login", data=form)).json()["access_token"]
        secrets = {scope: app["verifier"].issue(scope).reveal() for scope in ("export:read", "other:read")}
        sent = {
            jwt: 200,
            secrets["export:read"]: 200,
            secrets["other:read"]: 403,
            secrets["export:read"][:-1] + "_": 401,
            jwt[:-2]: 401,
            "x": 401,
        }
        for token, status in sent.items():
            answer = await client.get("/export", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status, (token[:12], answer.text)
        assert (await client.get("/export")).status_code == 401
        assert (await client.post("/auth/cookie/login", data=form)).status_code == 204
        assert (await client.get("/export")).status_code == 200
        assert (await client.get("/me")).json() == ADA["email"]


def main(app: Path, page: Path) -> None:
    """Put the page's function into the app and run it."""
    [function] = BLOCK.findall(page.read_text(encoding="utf-8"))
    source = app.read_text(encoding="utf-8")
    changed = source.replace("app = FastAPI()\n", f"{function}\n\napp = FastAPI()\n")
    changed = changed.replace("rules=rules, undeclared", "rules=rules, fallback_authenticator=signed_in, undeclared")
    assert len(changed) > len(source) + len(function)
    both = app.with_name(f"both_{app.name}")
    both.write_text(changed, encoding="utf-8")
    asyncio.run(both_kinds(runpy.run_path(str(both))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
