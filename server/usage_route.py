"""``POST /api/v1/usage``: batches that verifiers elsewhere counted."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from spacekey.domain.refusal import InvalidInput
from spacekey.domain.usage import TokenUse
from spacekey.middleware import requires
from spacekey.resolvers.report_usage import COUNT_MAX, NUMBER_MAX, REPORT_ROWS_MAX, BatchName, report_usage

from .body import json_object
from .fields import flag, only_known, optional_text, strings, text, whole
from .moments import read_moment
from .parts import known_caller, parts_of

USAGE_BYTES_MAX = 1_048_576
REPORT = ("uses", "reporter", "number")
USE = ("token_id", "at", "ip", "allowed", "denied", "limited", "scopes", "used")


@requires("tokens:introspect", cost=0)
async def add_usage(request: Request) -> JSONResponse:
    """``{"uses": [{"token_id", "at", "allowed", …}]}`` → ``{"accepted": n}``; rows of foreign tokens are left out.

    So are rows of more than 7 days ago, whose requests are told as ``requests_too_old`` when there are any.
    With ``reporter`` and ``number``, a batch that is sent again after a lost answer is not counted again.
    """
    body = await json_object(request, bytes_max=USAGE_BYTES_MAX)
    only_known(body, REPORT)
    rows = body.get("uses")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput("uses", "Must be a list of objects.")
    if len(rows) > REPORT_ROWS_MAX:
        raise InvalidInput("uses", f"Send at most {REPORT_ROWS_MAX} rows at once.")
    uses = [_use(row) for row in rows]
    done = await report_usage(parts_of(request).system, known_caller(request), uses, _name(body))
    too_old = {"requests_too_old": done.requests_too_old} if done.requests_too_old else {}
    return JSONResponse({"accepted": done.kept_rows, **too_old})


def _name(body: dict[str, Any]) -> BatchName | None:
    if "reporter" not in body and "number" not in body:
        return None
    return BatchName(text(body, "reporter"), whole(body, "number", most=NUMBER_MAX))


def _use(row: dict[str, Any]) -> TokenUse:
    only_known(row, USE)
    return TokenUse(
        token_id=text(row, "token_id"),
        at=read_moment("at", row.get("at")),
        ip=optional_text(row, "ip") or "",
        allowed=whole(row, "allowed", 0, most=COUNT_MAX),
        denied=whole(row, "denied", 0, most=COUNT_MAX),
        limited=whole(row, "limited", 0, most=COUNT_MAX),
        scopes=strings(row, "scopes"),
        used=flag(row, "used", True),
    )
