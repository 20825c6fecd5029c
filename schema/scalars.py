"""Moments go in and out as RFC 3339 text with a zone."""

from __future__ import annotations

from datetime import datetime

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from spacekey.domain.clock import EXAMPLE_MOMENT, written_exactly
from spacekey.domain.refusal import InvalidInput
from spacekey.resolvers.validation import parse_moment


def _parse(value: object) -> datetime:
    if not isinstance(value, str):
        raise GraphQLError(f"A time is a string like '{EXAMPLE_MOMENT}'.")
    try:
        return parse_moment("DateTime", value)
    except InvalidInput as error:
        raise GraphQLError(error.reason) from None


DATE_TIME: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description=f"A moment with its zone, RFC 3339, such as `{EXAMPLE_MOMENT}`; answers are in UTC.",
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=written_exactly,
    parse_value=_parse,
)
