"""Root fields of queries."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from spacekey.domain.ids import KEY, SPACE, WORKSPACE, id_prefix, membership_of
from spacekey.domain.page import TokenOrder, page_request
from spacekey.domain.principal import Kind
from spacekey.domain.product_file import PRODUCTS_MAX
from spacekey.domain.refusal import InputCode, InvalidInput, NotFound
from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers.access.authority import workspace_list
from spacekey.resolvers.access.caller import MemberCaller, TokenCaller, kind_of
from spacekey.resolvers.accounts.sessions import SESSIONS_LISTED_MAX, own_sessions
from spacekey.resolvers.accounts.users import own_account
from spacekey.resolvers.tokens.list import TokenSearch, token_view, tokens_everywhere
from spacekey.resolvers.workspaces.lists import one_linked_space, one_member, one_space, one_workspace
from spacekey.resolvers.workspaces.nodes import one_event, one_invitation
from spacekey.resolvers.workspaces.workspaces import creatable_products
from spacekey.schema.limits.costs import at_most, paged
from spacekey.schema.types.audit import AuditEvent
from spacekey.schema.types.filters import Direction, FilterArgument, OrderArgument, TokenOrderBy
from spacekey.schema.types.members import (
    Invitation,
    Member,
    Session,
    User,
    member_type,
    session_type,
    user_type,
)
from spacekey.schema.types.objects import (
    Space,
    Token,
    Workspace,
    shown_event,
    shown_invitation,
    space_type,
    token_type,
    workspace_type,
)
from spacekey.schema.types.product import SCOPES_MAX, product_type
from spacekey.schema.types.product import Product as ProductType
from spacekey.schema.types.relay import After, Before, Connection, First, Last, Node, connection_of, enum_value

from .context import Context, SpacekeyInfo
from .errors import answering, found
from .required_scopes import RequiredScopes, required_scopes_of


@strawberry.enum(description="What kind of caller sent a request.")
class CallerKind(Enum):
    """Enum of the kinds of callers."""

    MEMBER = enum_value(Kind.MEMBER.value, description="A signed-in person.")
    WORKSPACE = enum_value(Kind.WORKSPACE.value, description="A token of a workspace.")
    SPACE = enum_value(Kind.SPACE.value, description="A token of a space.")
    SERVICE = enum_value("service", description="A service of the operator.")
    PORTAL = enum_value("portal", description="A person of a host product, with a portal session.")


@strawberry.type(description="The caller: a signed-in person or a token.")
class Me:
    """GraphQL type of the caller: a member with a session, or a token."""

    kind: CallerKind = strawberry.field(description="What kind of caller it is.")
    workspace_products: list[str] = strawberry.field(
        description=(
            "The names of the products that the caller can create workspaces for. Empty for "
            "tokens, and if only the operator creates workspaces."
        ),
        directives=[at_most(PRODUCTS_MAX)],
    )
    scopes: list[str] = strawberry.field(
        description=("The scopes of the caller, sorted by name. For a person, those of all their workspaces together."),
        directives=[at_most(PRODUCTS_MAX * SCOPES_MAX)],
    )
    own_token: strawberry.Private[str | None]
    account: strawberry.Private[MemberCaller | None]

    @strawberry.field(description="The account of the signed-in person. Null for tokens.")
    async def user(self, info: SpacekeyInfo) -> User | None:
        """Return the caller's own account."""
        if self.account is None:
            return None
        with answering():
            return user_type(await own_account(info.context.system, self.account))

    @strawberry.field(
        description=("The token that the request was made with. Null for people, and without the scope `tokens:read`."),
        directives=[requires_scopes()],
    )
    async def token(self, info: SpacekeyInfo) -> Token | None:
        """Return the caller's own token."""
        if self.own_token is None:
            return None
        view = await info.context.loaders.token.load(self.own_token)
        return None if view is None else token_type(view)


NodeId = Annotated[strawberry.ID, strawberry.argument(description="The ID of the object.")]
WorkspaceId = Annotated[strawberry.ID | None, strawberry.argument(description="The ID of the workspace.")]
WorkspaceSlug = Annotated[
    str | None, strawberry.argument(description="The slug of the workspace: its unique name in URLs.")
]
WorkspaceExternalId = Annotated[
    str | None,
    strawberry.argument(description="The external ID of the workspace: your application's ID of its tenant."),
]
ExternalIdsProduct = Annotated[
    str | None,
    strawberry.argument(
        description="The product of the external ID. Needed if workspaces of several products have it."
    ),
]
SpaceExternalId = Annotated[
    str | None,
    strawberry.argument(description="The external ID of the space in its workspace, whose ID must be given too."),
]
SpaceId = Annotated[strawberry.ID | None, strawberry.argument(description="The ID of the space.")]
TokenId = Annotated[strawberry.ID, strawberry.argument(description="The ID of the token.")]
ProductName = Annotated[str, strawberry.argument(description="The name of the product.")]


@strawberry.type(description="The root of all queries.")
class Query:
    """Root type of all queries."""

    @strawberry.field(description="The caller. Null if the request has no credentials.")
    def me(self, info: SpacekeyInfo) -> Me | None:
        """Return the caller."""
        principal, caller = info.context.principal, info.context.caller
        if principal is None or caller is None:
            return None
        is_member = isinstance(caller, MemberCaller)
        return Me(
            kind=CallerKind(kind_of(caller, principal)),
            account=caller if isinstance(caller, MemberCaller) else None,
            scopes=sorted(principal.scopes),
            workspace_products=creatable_products(info.context.system) if is_member else [],
            own_token=caller.id if isinstance(caller, TokenCaller) else None,
        )

    @strawberry.field(
        description=(
            "The browsers in which the caller is signed in, the most recently used first. Not available to tokens."
        ),
        directives=[requires_scopes(), at_most(SESSIONS_LISTED_MAX)],
    )
    async def sessions(self, info: SpacekeyInfo) -> list[Session]:
        """Return the caller's own sessions."""
        context = info.context
        caller = context.signed_in_caller
        with answering():
            return [session_type(one) for one in await own_sessions(context.system, caller, context.session.secret)]

    @strawberry.field(
        description=("Look up an object by its ID. Null if it does not exist or the caller has no access to it."),
        directives=[requires_scopes()],
    )
    async def node(self, info: SpacekeyInfo, id: NodeId) -> Node | None:  # noqa: A002 - Relay's name
        """Return an object by its global id (Relay's object identification)."""
        match id_prefix(id):
            case "key":
                return await _token(info.context, id)
            case "ws":
                return await _workspace(info.context, id)
            case "space":
                return await _space(info.context, id)
            case "inv":
                return await _invitation(info.context, id)
            case "evt":
                return await _event(info.context, id)
            case _:
                return await _member(info.context, id)

    @strawberry.field(
        description="A list of the caller's workspaces, sorted by name.",
        directives=[requires_scopes("workspace:read"), paged()],
    )
    async def workspaces(
        self, info: SpacekeyInfo, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Workspace]:
        """Return a page of the caller's workspaces."""
        context = info.context
        with answering():
            page = await workspace_list(context.system, context.known_caller, page_request(first, after, last, before))
            for authority in page.rows:
                context.loaders.knows(authority)
            return connection_of(page, workspace_type)

    @strawberry.field(
        description=(
            "Look up a workspace by its ID, its slug or its external ID; give one of the three. Null if it does not "
            "exist or the caller has no access to it."
        ),
        directives=[requires_scopes("workspace:read")],
    )
    async def workspace(
        self,
        info: SpacekeyInfo,
        id: WorkspaceId = None,  # noqa: A002 - the API's name
        slug: WorkspaceSlug = None,
        external_id: WorkspaceExternalId = None,
        product: ExternalIdsProduct = None,
    ) -> Workspace | None:
        """Return a workspace by its id, its slug or its external id."""
        context = info.context
        if id is not None and slug is None and external_id is None and product is None:
            return await _workspace(context, id)
        authority = await found(one_workspace(context.system, context.known_caller, id, slug, external_id, product))
        if authority is None:
            return None
        context.loaders.knows(authority)
        return workspace_type(authority)

    @strawberry.field(
        description=(
            "Look up a space by its ID, or by its workspace's ID and its external ID. Null if it does not exist or the "
            "caller has no access to it."
        ),
        directives=[requires_scopes("spaces:read")],
    )
    async def space(
        self,
        info: SpacekeyInfo,
        id: SpaceId = None,  # noqa: A002 - the API's name
        workspace_id: WorkspaceId = None,
        external_id: SpaceExternalId = None,
    ) -> Space | None:
        """Return a space by its id, or by its external id in a workspace."""
        context = info.context
        if id is not None and workspace_id is None and external_id is None:
            return await _space(context, id)
        with answering():
            if id is not None:
                raise InvalidInput("id", "Give either id, or workspace_id and external_id.", InputCode.EXCLUSIVE)
            if workspace_id is None or external_id is None:
                field = "id" if workspace_id is None else "external_id"
                raise InvalidInput(field, "Give either id, or workspace_id and external_id.", InputCode.REQUIRED)
        pair = await found(one_linked_space(context.system, context.known_caller, workspace_id, external_id))
        return None if pair is None else space_type(pair[0])

    @strawberry.field(
        description=("Look up a token by its ID. Null if it does not exist or the caller has no access to it."),
        directives=[requires_scopes("tokens:read")],
    )
    async def token(self, info: SpacekeyInfo, id: TokenId) -> Token | None:  # noqa: A002
        """One token; null when unknown or not yours."""
        return await _token(info.context, id)

    @strawberry.field(
        description="A list of the tokens of all workspaces in which the caller has `tokens:read`.",
        directives=[requires_scopes("tokens:read"), paged()],
    )
    async def tokens(
        self,
        info: SpacekeyInfo,
        filter: FilterArgument = None,  # noqa: A002 - the API's name
        order_by: OrderArgument = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Token]:
        """Return a page of the tokens of all of the caller's workspaces."""
        context = info.context
        order = order_by or TokenOrderBy()
        with answering():
            page = await tokens_everywhere(
                context.system,
                context.known_caller,
                search=filter.search() if filter is not None else TokenSearch(),
                order=TokenOrder(order.field.value),
                descending=order.direction is Direction.DESC,
                request=page_request(first, after, last, before),
            )
        return connection_of(page, token_type)

    @strawberry.field(
        description="Look up a product by its name. Null if it does not exist.", directives=[requires_scopes()]
    )
    def product(self, info: SpacekeyInfo, name: ProductName) -> ProductType | None:
        """Return a product by its name."""
        product = info.context.system.products.get(name)
        return None if product is None else product_type(product)

    @strawberry.field(
        description="A list of all products of this server, sorted by name.",
        directives=[requires_scopes(), at_most(PRODUCTS_MAX)],
    )
    def products(self, info: SpacekeyInfo) -> list[ProductType]:
        """Return all products."""
        return [product_type(one) for _, one in sorted(info.context.system.products.items())]

    @strawberry.field(description="The scopes that an operation of this API requires. The operation is not run.")
    def required_scopes(
        self,
        info: SpacekeyInfo,
        document: Annotated[str, strawberry.argument(description="A GraphQL document with the operation.")],
        operation_name: Annotated[
            str | None,
            strawberry.argument(description="The name of the operation. Needed if the document has several."),
        ] = None,
    ) -> RequiredScopes:
        """Return the smallest sets of scopes that admit the operation."""
        return required_scopes_of(info.schema, document, operation_name)


async def _token(context: Context, token_id: str) -> Token | None:
    view = await found(token_view(context.system, context.known_caller, token_id)) if _is(token_id, KEY) else None
    return None if view is None else token_type(view)


async def _space(context: Context, space_id: str) -> Space | None:
    pair = await found(one_space(context.system, context.known_caller, space_id)) if _is(space_id, SPACE) else None
    return None if pair is None else space_type(pair[0])


async def _member(context: Context, member_id: str) -> Member | None:
    ids = membership_of(member_id)
    pair = None if ids is None else await found(one_member(context.system, context.known_caller, *ids))
    return None if pair is None else member_type(*pair)


async def _invitation(context: Context, invitation_id: str) -> Invitation | None:
    row = await found(one_invitation(context.system, context.known_caller, invitation_id))
    return None if row is None else shown_invitation(row)


async def _event(context: Context, event_id: str) -> AuditEvent | None:
    row = await found(one_event(context.system, context.known_caller, event_id))
    return None if row is None else shown_event(row)


async def _workspace(context: Context, workspace_id: str) -> Workspace | None:
    if not _is(workspace_id, WORKSPACE):
        return None
    with answering():
        try:
            authority = await context.loaders.authority.load(workspace_id)
        except NotFound:
            return None
        return None if authority is None else workspace_type(authority)


def _is(text: str, prefix: str) -> bool:
    return id_prefix(text) == prefix
