"""The list of tokens that a workspace and a space have."""

from __future__ import annotations

from typing import Annotated

import strawberry

from spacekey.domain.page import TokenOrder, page_request
from spacekey.resolvers.tokens.list import TokenSearch
from spacekey.schema.types.objects import Direction, Token, TokenFilter, TokenOrderBy, token_type
from spacekey.schema.types.relay import Connection, connection_of

from .answering import answering
from .context import SpacekeyInfo
from .loaders import AskedTokens

FilterArgument = Annotated[TokenFilter | None, strawberry.argument(description="Which tokens.")]
OrderArgument = Annotated[TokenOrderBy | None, strawberry.argument(description="In which order; newest first.")]


async def listed_tokens(
    info: SpacekeyInfo,
    workspace_id: str,
    space_id: str | None,
    where: TokenFilter | None,
    order_by: TokenOrderBy | None,
    paging: tuple[int | None, str | None, int | None, str | None],
) -> Connection[Token]:
    """A page of them.

    :param paging: first, after, last and before, as they were given.
    :raises GraphQLError: for a refusal, with its code.
    """
    context = info.context
    order = order_by or TokenOrderBy()
    with answering():
        asked = AskedTokens(
            search=where.search() if where is not None else TokenSearch(),
            order=TokenOrder(order.field.value),
            descending=order.direction is Direction.DESC,
            request=page_request(*paging),
        )
        page = await context.loaders.tokens(asked).load((workspace_id, space_id))
    return connection_of(page, token_type)
