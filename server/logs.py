"""Structured logs: one JSON object a line. As a second line of defence, text in the shape of a secret is removed."""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections import OrderedDict
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TextIO

from graphql import GraphQLError

from spacekey.domain.errors import SpacekeyError

from .timestamps import written

LINE_LENGTH_MAX = 16_384
KINDS_MAX = 100
"""How many kinds of lines are remembered, to limit each to one a second."""

_SECRETS = re.compile(
    r"(?<![0-9A-Za-z])(?P<secret_prefix>[a-z][a-z0-9]{1,15}_(?:live|test)_)[0-9A-Za-z]{20,}"
    r"|(?P<scheme>\b[Bb]earer +)[A-Za-z0-9._~+/-]{8,}=*"
    r"|(?P<cookie>__Host-spacekey(?:-[0-9a-f]{16})?(?:-sign-in)?=)[^;,\s\"\\]+"
    r"|(?P<url>://[^/@:\s]*:)[^/@\s]+(?=@)"
)


_ENCODE = json.JSONEncoder(ensure_ascii=False, default=lambda value: f"<{type(value).__name__}>").encode


def redacted(text: str) -> str:
    """Return the text without secrets, bearer credentials, session cookies and passwords in URLs."""
    return _SECRETS.sub(lambda match: f"{match[match.lastgroup or 0]}[redacted]", text)


class JsonLines(logging.Formatter):
    """Formatter of a record as one JSON object: time, level, logger, message, ``record.facts`` and traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, redacted and bounded."""
        line: dict[str, object] = {
            "at": written(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": redacted(record.getMessage())[:LINE_LENGTH_MAX],
        }
        facts = getattr(record, "facts", None)
        if isinstance(facts, dict):
            line |= {key: redacted(value) if isinstance(value, str) else value for key, value in facts.items()}
        if record.exc_info:
            line["traceback"] = redacted(self.formatException(record.exc_info))[-LINE_LENGTH_MAX:]
        return _ENCODE(line)


class GraphQLFaultsOnly(logging.Filter):
    """Filter that drops Strawberry's records of clients' mistakes, and removes the document from its records of bugs.

    The text of a syntax or coercion error quotes the document or a value, which may hold a password.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log the record; its message is replaced by one without quotes."""
        error = record.msg
        if not isinstance(error, GraphQLError):
            return True
        if error.original_error is None or isinstance(error.original_error, GraphQLError | SpacekeyError):
            return False
        record.msg, record.args = "a GraphQL field failed at %s", (error.path,)
        original = error.original_error
        record.exc_info = (type(original), original, original.__traceback__)
        return True


class OncePerSecond(logging.Filter):
    """Filter that passes one line a second of each kind that clients can cause at will, and counts the others.

    Two lines are of one kind if they come from the same place in the source and begin alike.

    :param loggers: the loggers to filter.
    """

    def __init__(self, loggers: Collection[str]) -> None:
        super().__init__()
        self._loggers = frozenset(loggers)
        self._last: OrderedDict[tuple[str, int, str], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log the record; the first one after suppressed ones tells how many were suppressed."""
        if record.name not in self._loggers:
            return True
        kind = record.pathname, record.lineno, str(record.msg).partition("\n")[0]
        last, kept_back = self._last.get(kind, (-math.inf, 0))
        if 0.0 <= record.created - last < 1.0:
            self._last[kind] = last, kept_back + 1
            return False
        self._last[kind] = record.created, 0
        self._last.move_to_end(kind)
        if len(self._last) > KINDS_MAX:
            self._last.popitem(last=False)
        if kept_back:
            facts = getattr(record, "facts", None)
            record.facts = {**(facts if isinstance(facts, dict) else {}), "like_it_before": kept_back}
        return True


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Log to ``stream`` (standard error if None) as JSON lines. To be called by the process's entry point only."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    handler.addFilter(GraphQLFaultsOnly())
    handler.addFilter(OncePerSecond(("asyncio", "spacekey.connections", "uvicorn.error")))
    # Libraries log statements and requests at lower levels, which may hold secrets; their warnings are enough.
    for name in ("aiosqlite", "asyncio", "httpx", "httpcore", "sqlalchemy", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
