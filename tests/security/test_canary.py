"""Every secret ever issued is looked for, after a full run, wherever it must not be: found nowhere."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import Any

import pytest

from spacekey.domain.authentication import Authenticated
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.queries import tokens as token_queries
from spacekey.resolvers.access.caller import RequestFacts, caller_of
from spacekey.resolvers.accounts.sessions import session_outcome
from spacekey.resolvers.audit.log import export_chain
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.schema.context import context_of
from support.databases import lookup_on
from support.schema import spacekey_schema
from support.snapshot import snapshot
from support.world import FACTS, PASSWORD, Jar, World, make_world

SCHEMA = spacekey_schema()
FIRST = "nine yellow umbrellas outside"
ANOTHER = "eleven copper kettles in a row"
WRONG = "a wrong password typed in anger"
ENDS = "... on %sSuccess { token { id } } ... on UserError { message }"


class Run:
    """One full run over GraphQL: what was secret in it, and everything that was said."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.secrets: list[str] = [PASSWORD, FIRST, ANOTHER, WRONG]
        self.errors: list[str] = []
        self.objects: list[object] = []
        self.session: Secret | None = None

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """One request with the session's cookie; keeps the errors and the objects it was made of."""
        system = self.world.system
        principal, jar = None, Jar(self.session)
        if self.session is not None:
            verdict = await session_outcome(system, self.session)
            assert isinstance(verdict, Authenticated)
            principal = verdict.principal
        facts = RequestFacts(ip="192.0.2.7", user_agent="canary", request_id="r")
        caller = None if principal is None else caller_of(principal, facts)
        context = context_of(system, principal, caller, facts, jar)
        result = await SCHEMA.execute(document, variables, context_value=context)
        self.errors += [str(error.formatted) for error in result.errors or ()]
        self.objects += [principal, caller, context, jar, result.errors]
        if jar.opened is not None:
            self.session = jar.opened.secret
            self.secrets.append(jar.opened.secret.reveal())
            self.objects.append(jar.opened)
        return result.data or {}

    async def everything(self) -> None:
        """Sign in, invite, accept, create, rotate, verify, end, fail at each, change the password, sign out."""
        world = self.world
        verifier = LookupVerifier(lookup_on(world.system.store), world.system.products, world.clock, self.first_use)
        await world.user("ada@example.com")
        await self.sign_in("ada@example.com", WRONG)
        await self.sign_in(WRONG, WRONG)
        await self.sign_in("ada@example.com", PASSWORD)
        made = await self.ask(
            'mutation { createWorkspace(input: {name: "W", slug: "w", product: "spooled"}) '
            "{ ... on CreateWorkspaceSuccess { workspace { id } } } }"
        )
        workspace = made["createWorkspace"]["workspace"]["id"]
        tokens = [await self.issued("createToken", ownerId=workspace) for _ in range(3)]
        tokens.append(await self.issued("rotateToken", id=tokens[0], retireOnFirstUse=True))
        for secret in list(self.secrets[4:]):
            self.objects.append(await verifier.verify(Secret(secret)))
        update = "mutation($i: UpdateTokenInput!) { updateToken(input: $i) { " + ENDS % "UpdateToken" + " } }"
        await self.ask(update, i={"id": tokens[1], "name": "renamed"})
        await self.ask(update, i={"id": tokens[1], "nmae": self.secrets[-1]})
        await self.ask(update, i={"id": self.secrets[-1], "name": "x"})
        await self.sign_in(self.secrets[-1], WRONG)
        await self.sign_in("ada@example.com", self.secrets[-1])
        for call in (
            f'disableToken(input: {{id: "{tokens[1]}"}})',
            f'revokeToken(input: {{id: "{tokens[2]}", reason: "leaked"}})',
        ):
            name = call[0].upper() + call[1:].partition("(")[0]
            await self.ask(f"mutation {{ {call} {{ {ENDS % name} }} }}")
        await self.invite(workspace)
        await self.ask("{ workspaces { nodes { auditLog { nodes { before after } } tokens { nodes { prefix } } } } }")
        await self.ask(
            "mutation($c: String!, $n: String!) { changePassword(input: {current: $c, new: $n}) { __typename } }",
            c=PASSWORD,
            n=ANOTHER,
        )
        await self.ask("mutation { signOut { __typename } }")
        await verifier.aclose()

    async def sign_in(self, email: str, password: str) -> None:
        document = "mutation($e: String!, $p: String!) { signIn(input: {email: $e, password: $p}) { __typename } }"
        await self.ask(document, e=email, p=password)
        await self.ask(
            document.replace("$p)", f'$p, code: "{password}")').replace("password: $p", "password: 7"), e=email
        )

    async def issued(self, mutation: str, **given: Any) -> str:
        """A new token's id; its secret is kept to be looked for."""
        kind = f"{mutation[0].upper()}{mutation[1:]}"
        success = "RotateTokenSuccess" if mutation == "rotateToken" else "CreateTokenSuccess"
        asked = given if mutation == "rotateToken" else {**given, "name": "CI", "grants": ["jobs:read"]}
        document = (
            f"mutation($i: {kind}Input!) {{ {mutation}(input: $i) {{ ... on {success} {{ secret token {{ id }} }} }} }}"
        )
        answer = (await self.ask(document, i=asked))[mutation]
        self.secrets.append(answer["secret"])
        self.objects.append(Secret(answer["secret"]))
        return str(answer["token"]["id"])

    async def invite(self, workspace: str) -> None:
        """Somebody new, who accepts with a first password in a browser of their own."""
        answer = await self.ask(
            'mutation($w: ID!) { addMember(input: {workspaceId: $w, email: "new@example.com", role: "member"}) '
            "{ ... on AddMemberSuccess { invitationCode } } }",
            w=workspace,
        )
        code, mine = answer["addMember"]["invitationCode"], self.session
        self.secrets.append(code)
        self.session = None
        accept = (
            "mutation($c: String!, $p: String!) { acceptInvitation(input: {code: $c, password: $p}) { __typename } }"
        )
        for password in ("short", FIRST, FIRST):
            await self.ask(accept, c=code, p=password)
        self.session = mine

    async def first_use(self, token_id: str) -> None:
        async with self.world.system.store.changing() as session:
            await token_queries.record_first_use(session, token_id, self.world.clock())


def forms(secret: str) -> list[bytes]:
    """What a secret may be disguised as: itself, its middle, base64, hexadecimal."""
    plain = secret.encode()
    middle = plain[12:-6] if len(plain) >= 40 else plain
    return [plain, middle, base64.b64encode(plain)[:-4], plain.hex().encode()]


async def test_no_secret_is_found_anywhere(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    run = Run(make_world(store))
    with caplog.at_level(logging.DEBUG):
        await run.everything()
    assert len(run.secrets) >= 12
    places = {
        "logs": caplog.text.encode("utf-8", "surrogatepass"),
        "errors": "\n".join(run.errors).encode(),
        "reprs": "\n".join(f"{one!r} {one}" for one in run.objects).encode(),
        "tables": repr(await snapshot(store)).encode(),
        "export": "\n".join([line async for line in export_chain(run.world.system, "system")]).encode(),
    }
    if store.dialect == SQLITE:
        file = Path(str(store.url.database))
        for one in (file, file.with_name(f"{file.name}-wal")):
            places[f"file {one.suffix}"] = one.read_bytes() if one.exists() else b""
    found = [
        (name, secret[:14])
        for name, text in places.items()
        for secret in run.secrets
        for form in forms(secret)
        if form in text
    ]
    assert found == []


async def test_the_search_itself_finds_what_is_there(store: Store) -> None:
    """Digests are stored and must be: the search would see a secret if it stood where they stand."""
    run = Run(make_world(store))
    await run.everything()
    rows = "\n".join(row for table in (await snapshot(store)).values() for row in table)
    assert all(repr(Secret(secret).digest()) in rows for secret in run.secrets if secret.startswith("sp_live_"))
    assert FACTS.ip in rows
