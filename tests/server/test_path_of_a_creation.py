"""How many files of the product a reader has to open to follow one creation of a token over GraphQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacekey import domain, middleware, models, resolvers, schema, server
from spacekey.models.engine.store import POSTGRESQL
from support.server import bearer, served
from support.trail import traced

FOLDERS = [Path(str(one.__file__)).resolve().parent for one in (domain, middleware, models, resolvers, schema, server)]
FILES_MAX = 93
CREATE = """mutation ($space: ID!) {
  createToken(input: {ownerId: $space, name: "CI", grants: ["jobs:read"]}) {
    __typename ... on CreateTokenSuccess { secret token { id name scopes } }
  }
}"""


# On PostgreSQL all of it happens in one thread, which is the one that is looked at.
@pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
async def test_creating_a_token_enters_no_more_files_than_this(database_url: str) -> None:
    async with served(database_url) as running:
        workspace = await running.world.workspace("spooled")
        space = await running.world.space(workspace)
        _, secret = await running.token(workspace.id, "tokens:create", "tokens:read", "jobs:read")

        async def create() -> None:
            answer = await running.client.post(
                "/graphql", json={"query": CREATE, "variables": {"space": space.id}}, headers=bearer(secret)
            )
            assert "secret" in answer.text, answer.text

        await create()
        with traced(*FOLDERS) as trail:
            await create()
    files = sorted(trail.modules)
    assert len(files) <= FILES_MAX, "\n".join(files)
