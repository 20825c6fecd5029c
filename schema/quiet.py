"""What GraphQL's own errors repeat of the input is taken out: people paste passwords and tokens into wrong places."""

from __future__ import annotations

import re
from collections.abc import Iterable

from graphql import GraphQLError

# graphql-core ends such messages with ", found: {…}", "? Found: {…}", "found String '…'" or "value: …".
_REPEATED = re.compile(r"(?:[,;]? [Ff]ound:? ?(?:String )?[{\[\"'\d-].*|(?<!invalid) value: .+)\Z", re.DOTALL)


def quieten(errors: Iterable[GraphQLError]) -> None:
    """Take the repeated input out of these errors, in place."""
    for error in errors:
        if error.original_error is None or isinstance(error.original_error, GraphQLError):
            error.message = _REPEATED.sub("", error.message)
