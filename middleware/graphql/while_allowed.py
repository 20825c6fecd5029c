"""Ends a running subscription before it tells anything that its caller may no longer have.

:class:`~.websocket.OpenOperations` ends it at once, in our own view. This holds in every view: it looks when an
event is about to be told.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from graphql import GraphQLError
from strawberry.types.execution import PreExecutionError

from spacekey.domain.principal import Principal


async def while_allowed(
    results: AsyncGenerator[Any, None],
    caller: Callable[[], Principal | None],
    lost: Callable[[Principal], Sequence[GraphQLError]],
) -> AsyncGenerator[Any, None]:
    """The results, up to one that comes when the caller has lost a scope that the operation needs.

    :param caller: who asks, now.
    :param lost: given the caller that the operation was decided for, why it is not for them any more.
    """
    before = seen = _found(caller)
    async with aclosing(results):
        async for result in results:
            now = _found(caller)
            if now is not seen:
                seen = now
                errors = () if before is None else lost(before)
                if errors:
                    yield PreExecutionError(data=None, errors=list(errors))
                    return
            yield result


def _found(caller: Callable[[], Principal | None]) -> Principal | None:
    try:
        return caller()
    except Exception:  # noqa: BLE001 - whoever decides asks the same, and tells what is wrong
        return None
