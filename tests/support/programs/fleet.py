"""Two servers and two apps on one PostgreSQL and, where there is one, one Redis; each a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from spacekey.domain.principal import Limit
from support.apps.jobs_requests import bearer
from support.people import Person, accept_invitation, sign_in
from support.processes import OWNER_EMAIL, OWNER_PASSWORD, Installation
from support.redis_server import RedisServer
from support.world import EXAMPLES

LIMIT = Limit(per_minute=300, burst=30)
_AS_IT_IS = 'kinds = ["workspace", "space"]', "tokens_max = 20\nper_minute = 100\nburst = 20"
_HERE = (
    _AS_IT_IS[0] + '\nroles = ["member"]',
    f"tokens_max = 500\nper_minute = {LIMIT.per_minute}\nburst = {LIMIT.burst}",
)
_LAPSED = '\n[plans.lapsed]\ntitle = "Lapsed"\ntokens_max = 0\nself_service = true\n'


@dataclass(frozen=True)
class Fleet:
    """Servers A and B, an app on the database and one that asks server A, and the owner signed in at both.

    :param home: the id of spooled's workspace; ``slug`` is its name on the command line.
    :param credentials: of the operator's apps, by product: they check the tokens of all of its workspaces.
    :param redis: what all four count limits in.
    """

    installation: Installation
    a: str
    b: str
    apps: tuple[httpx.Client, ...]
    at_a: Person
    at_b: Person
    home: str
    slug: str
    credentials: dict[str, str]
    redis: RedisServer | None

    def token(self, *grants: str) -> tuple[str, str]:
        """A new token, made at A: id and secret."""
        made = self.at_a.create_token(name="Service", grants=list(grants), workspaceId=self.home)
        return made["token"]["id"], made["secret"]

    def statuses(self, secret: str) -> set[int]:
        """What the apps say to the token, each asked three times, so that warm answers are among them."""
        return {app.get("/queues", headers=bearer(secret)).status_code for app in self.apps for _ in range(3)}

    def member(self, role: str) -> tuple[str, Person]:
        """Return a new member with this role, invited at B and signed in at A: the user's id, and the person."""
        email = f"{role}@example.com"
        values = {"workspaceId": self.home, "email": email, "role": role}
        added = self.at_b.change("addMember", "AddMemberInput", "AddMemberSuccess { invitationCode }", **values)
        person = accept_invitation(self.a, added["invitationCode"], f"seven {role} boats on a lake")
        document = "query M($id: ID!) { workspace(id: $id) { members(first: 100) { nodes { userId email } } } }"
        members = self.at_b.ask(document, id=self.home)["workspace"]["members"]["nodes"]
        return next(one["userId"] for one in members if one["email"] == email), person

    def update_home(self, **values: Any) -> dict[str, Any]:
        """``updateWorkspace`` at B."""
        fields = "UpdateWorkspaceSuccess { workspace { id } }"
        return self.at_b.change("updateWorkspace", "UpdateWorkspaceInput", fields, id=self.home, **values)

    def said(self, words: str) -> int:
        """How often the processes have said this."""
        return sum(file.read_text(errors="replace").count(words) for file in self.installation.folder.glob("*.log"))


@contextmanager
def fleet_on(installation: Installation, redis: RedisServer | None) -> Iterator[Fleet]:
    """Everything running."""
    installation = replace(installation, products=[_product(installation.folder), EXAMPLES / "emit.toml"])
    extra = {
        "SPACEKEY_WORKSPACE_CREATION": "members",
        "SPACEKEY_WORKSPACES_OWNED_MAX": "100",
    }
    if redis is not None:
        extra |= {"SPACEKEY_REDIS_URL": redis.url, "SPACEKEY_PROCESSES": "2"}
    installation = replace(installation, extra=extra)
    demo = installation.command("demo")
    made = {name: installation.command("service", "create", name, "--product", name) for name in ("spooled", "emit")}
    home = next(one for one in demo["workspaces"] if one["product"] == "spooled")
    credentials = {product: one["secret"] for product, one in made.items()}
    limits = None if redis is None else redis.url
    with ExitStack() as stack:
        a, b = stack.enter_context(installation.serving()), stack.enter_context(installation.serving())
        addresses = (
            stack.enter_context(installation.jobs_app(limits=limits, processes=2)),
            stack.enter_context(
                installation.jobs_app(remote=a, token=credentials["spooled"], limits=limits, processes=2)
            ),
        )
        at_a = stack.enter_context(sign_in(a, OWNER_EMAIL, OWNER_PASSWORD))
        at_b = stack.enter_context(Person(b, at_a.session))
        apps = tuple(stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=120)) for url in addresses)
        yield Fleet(installation, a, b, apps, at_a, at_b, home["id"], home["slug"], credentials, redis)


def _product(folder: Path) -> Path:
    """spooled with a plan that has no tokens, tokens that may hold a role, and room for many requests."""
    text = (EXAMPLES / "spooled.toml").read_text()
    for before, after in zip(_AS_IT_IS, _HERE, strict=True):
        assert before in text
        text = text.replace(before, after)
    file = folder / "spooled.toml"
    file.write_text(text + _LAPSED)
    return file
