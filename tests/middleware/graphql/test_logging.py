"""What a resolver did wrong is logged; what a client wrote is not."""

from __future__ import annotations

import logging

import pytest
import strawberry

from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes

SECRET = "hunter2-hunter2"


def broken(password: str) -> str:
    """A resolver with a bug."""
    raise ZeroDivisionError("by the book")


def fine() -> str:
    """A resolver without one."""
    return "fine"


@strawberry.type
class Query:
    """Two fields, one ruled."""

    broken: str = strawberry.field(resolver=broken)
    ruled: str = strawberry.field(resolver=fine, directives=[requires_scopes("jobs:read")])


@pytest.mark.parametrize(
    "document",
    [
        f'{{ broken(password: "{SECRET}" }}',
        f'{{ broken(word: "{SECRET}") }}',
        f'{{ broken(password: "{SECRET}") }}',
        f'{{ ruled broken(password: "{SECRET}") }}',
        f'query ($p: Int = "{SECRET}") {{ broken(password: $p) }}',
    ],
)
async def test_no_log_line_holds_what_the_client_wrote(document: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        result = await ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)).execute(document)
    assert result.errors
    assert SECRET not in caplog.text


async def test_a_resolvers_failure_is_logged_with_its_path_and_traceback(caplog: pytest.LogCaptureFixture) -> None:
    await ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)).execute(
        f'{{ here: broken(password: "{SECRET}") }}'
    )
    assert "a resolver failed at here" in caplog.text
    assert "ZeroDivisionError: by the book" in caplog.text
