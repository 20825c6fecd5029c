"""The GraphQL API of the jobs: rules are declared on fields, and checked once for each operation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import strawberry
from starlette.routing import BaseRoute, Route, WebSocketRoute

from spacekey import optional
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes

from . import rules
from .board import Board
from .board import Job as BoardJob
from .home import board_of

Info = strawberry.Info[dict[str, Any], None]


@strawberry.type(description="A piece of work.")
class Job:
    """GraphQL type of a job of the caller's space or workspace."""

    id: strawberry.ID
    queue: str
    status: str
    progress: int
    _job: strawberry.Private[BoardJob]

    @strawberry.field(directives=[requires_scopes(rules.READ)])
    def events(self) -> list[str]:
        """Return its events, oldest first."""
        return list(self._job.events)


@strawberry.type(description="Something that happened to a job.")
class Change:
    """GraphQL type of a change, with the job's id."""

    job: strawberry.ID
    what: str


@strawberry.type
class Query:
    """Root type of queries."""

    @strawberry.field(directives=[requires_scopes(rules.READ)])
    def jobs(self, info: Info) -> list[Job]:
        """Return all jobs, oldest first."""
        return [_shown(job) for job in _board(info).all()]

    @strawberry.field
    def health(self) -> str:
        """Return "ok", also to anonymous callers."""
        return "ok"


@strawberry.type
class Mutation:
    """Root type of mutations."""

    @strawberry.mutation(directives=[requires_scopes(rules.CREATE)])
    def create_job(self, info: Info, queue: str = "default") -> Job:
        """Create a pending job."""
        return _shown(_board(info).create(queue, None))

    @strawberry.mutation(directives=[requires_scopes(rules.COMPLETE)])
    def complete_job(self, info: Info, id: strawberry.ID) -> Job:  # noqa: A002 - the argument's name in the API
        """Complete a job."""
        return _shown(_board(info).complete(id))


@strawberry.type
class Subscription:
    """Root type of subscriptions."""

    @strawberry.subscription(directives=[requires_scopes(rules.JOB_STREAM)])
    async def job_changes(self, info: Info, id: strawberry.ID) -> AsyncIterator[Change]:  # noqa: A002
        """Yield the changes of one job."""
        async for job, what in _board(info).changes(id):
            yield Change(job=strawberry.ID(job), what=what)

    @strawberry.subscription(directives=[requires_scopes(rules.FEED)])
    async def feed(self, info: Info) -> AsyncIterator[Change]:
        """Yield the changes of all jobs."""
        async for job, what in _board(info).changes():
            yield Change(job=strawberry.ID(job), what=what)


def build_schema() -> ScopedSchema:
    """Return the schema. Building it fails if a root field has no rule and is not declared public here."""
    settings = ScopeEnforcement(public=["Query.health"], known_scopes=rules.known_scopes())
    return ScopedSchema(Query, Mutation, Subscription, scopes=settings)


def graphql_routes() -> list[BaseRoute]:
    """Return the routes for POST and WebSocket on one path. They admit all callers; the rules are on the fields."""
    app = optional(ScopedGraphQL(build_schema(), graphql_ide=None))
    return [Route("/graphql", app, methods=["POST"]), WebSocketRoute("/graphql", app)]


def _board(info: Info) -> Board:
    return board_of(info.context["request"])


def _shown(job: BoardJob) -> Job:
    return Job(id=strawberry.ID(job.id), queue=job.queue, status=job.status.value, progress=job.progress, _job=job)
