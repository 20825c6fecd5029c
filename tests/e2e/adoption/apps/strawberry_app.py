"""An app with Strawberry's GraphQLRouter for FastAPI, whose context has a user of its own."""

from typing import Any

import httpx
import strawberry
from fastapi import FastAPI, Request
from strawberry import Schema  # noqa: F401  # of the app as it was
from strawberry.fastapi import GraphQLRouter
from strawberry.types import Info

from spacekey import TokenMiddleware, optional  # new
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes  # new
from spacekey.verifiers import MemoryVerifier  # new


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, info: Info) -> str:
        return f"Hello {info.context['name']}"

    @strawberry.field(directives=[requires_scopes("export:read")])  # was: @strawberry.field
    def export(self) -> list[str]:
        return []


async def context(request: Request) -> dict[str, Any]:
    return {"name": request.headers.get("x-name", "stranger")}


schema = ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))  # was: schema = Schema(Query)
app = FastAPI()
app.include_router(GraphQLRouter(schema, context_getter=context), prefix="/graphql")
verifier = MemoryVerifier()  # new
app.add_middleware(TokenMiddleware, verifier=verifier, rules={("*", "/graphql"): optional}, undeclared="ignore")  # new


async def own_tests(client: httpx.AsyncClient) -> None:
    asked = {"query": "{ hello }"}
    assert (await client.post("/graphql", json=asked)).json() == {"data": {"hello": "Hello stranger"}}
    named = await client.post("/graphql", json=asked, headers={"X-Name": "Ada"})
    assert named.json() == {"data": {"hello": "Hello Ada"}}
    assert "errors" in (await client.post("/graphql", json={"query": "{ nothing }"})).json()
    assert (await client.get("/graphql", headers={"Accept": "text/html"})).status_code == 200


PROTECTED = ("GRAPHQL", "{ export }", "export:read")
