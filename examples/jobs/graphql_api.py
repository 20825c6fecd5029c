"""The same jobs in GraphQL: the rules stand on the fields, and are decided once for each operation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import strawberry
from starlette.routing import BaseRoute, Route, WebSocketRoute

from spacekey.middleware import optional
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes

from . import rules
from .board import Board
from .board import Job as BoardJob
from .home import board_of

Info = strawberry.Info[dict[str, Any], None]


@strawberry.type(description="A piece of work.")
class Job:
    """A job of the caller's space or workspace."""

    id: strawberry.ID
    queue: str
    status: str
    progress: int
    _job: strawberry.Private[BoardJob]

    @strawberry.field(directives=[requires_scopes(rules.READ)])
    def events(self) -> list[str]:
        """What happened to it, oldest first."""
        return list(self._job.events)


@strawberry.type(description="Something that happened to a job.")
class Change:
    """A job's id and what happened."""

    job: strawberry.ID
    what: str


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field(directives=[requires_scopes(rules.READ)])
    def jobs(self, info: Info) -> list[Job]:
        """Every job, oldest first."""
        return [_shown(job) for job in _board(info).all()]

    @strawberry.field
    def health(self) -> str:
        """Anybody may ask."""
        return "ok"


@strawberry.type
class Mutation:
    """What can be changed."""

    @strawberry.mutation(directives=[requires_scopes(rules.CREATE)])
    def create_job(self, info: Info, queue: str = "default") -> Job:
        """A new pending job."""
        return _shown(_board(info).create(queue, None))

    @strawberry.mutation(directives=[requires_scopes(rules.COMPLETE)])
    def complete_job(self, info: Info, id: strawberry.ID) -> Job:  # noqa: A002 - the argument's name in the API
        """The job is done."""
        return _shown(_board(info).complete(id))


@strawberry.type
class Subscription:
    """What can be watched."""

    @strawberry.subscription(directives=[requires_scopes(rules.JOB_STREAM)])
    async def job_changes(self, info: Info, id: strawberry.ID) -> AsyncIterator[Change]:  # noqa: A002
        """What happens to one job."""
        async for job, what in _board(info).changes(id):
            yield Change(job=strawberry.ID(job), what=what)

    @strawberry.subscription(directives=[requires_scopes(rules.FEED)])
    async def feed(self, info: Info) -> AsyncIterator[Change]:
        """What happens to any job."""
        async for job, what in _board(info).changes():
            yield Change(job=strawberry.ID(job), what=what)


def build_schema() -> ScopedSchema:
    """The schema. Start-up fails on a root field that has no rule and is not named here as public."""
    settings = ScopeEnforcement(public=["Query.health"], known_scopes=rules.known_scopes())
    return ScopedSchema(Query, Mutation, Subscription, scopes=settings)


def graphql_routes() -> list[BaseRoute]:
    """POST and WebSocket on one path. Anybody may come in; the fields decide."""
    app = optional(ScopedGraphQL(build_schema(), graphql_ide=None))
    return [Route("/graphql", app, methods=["POST"]), WebSocketRoute("/graphql", app)]


def _board(info: Info) -> Board:
    return board_of(info.context["request"])


def _shown(job: BoardJob) -> Job:
    return Job(id=strawberry.ID(job.id), queue=job.queue, status=job.status.value, progress=job.progress, _job=job)
