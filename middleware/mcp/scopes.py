"""Rules for the tools, resources and prompts of an MCP server: who may use them, and who sees them in lists."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.context import CallNext, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate
from pydantic import BaseModel

from spacekey.domain.errors import RuleError
from spacekey.domain.principal import Principal
from spacekey.domain.rule import any_of
from spacekey.middleware import responses
from spacekey.middleware.rules.evaluate import Allowed, DenialReason, Denied, evaluate
from spacekey.middleware.rules.requirement import Declaration, Requirement, access_from, requirement_of

from .access_token import SpacekeyAccessToken

ANY = "*"
"""Name of all tools, resources or prompts that the table does not name."""
REFUSED = -32001
"""JSON-RPC code of a refusal; ``data`` has its code and, of a missing scope, which. The range is a server's own."""
NAMES_WARNED_MAX = 1_000
URIS_MAX = 1_000
"""How many resources one message may subscribe to."""
_LISTS = {
    "tools/list": ("tools", "name"),
    "prompts/list": ("prompts", "name"),
    "resources/list": ("resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
}
"""Method of a list → the member of its result, and what a rule calls an item by."""
_NEVER = Requirement(any_of())
_ALWAYS = requirement_of()

Rules = Mapping[str, Declaration]

log = logging.getLogger("spacekey.middleware")


class McpScopes:
    """Rules for what an MCP server offers, enforced on each message that it receives over HTTP.

    What a token may not use, it does not see in lists either. Over stdio and in memory no caller has a token, so the
    rules are not applied there.

    It is a middleware of the SDK: ``MCPServer(…, middleware=[scopes])``. :func:`~spacekey.middleware.mcp.protect_mcp`
    adds one by itself.

    :param tools: rules by the name of a tool, ``"*"`` for all others. If it is given, a tool without a rule is refused.
        None leaves all tools to ``requires``.
    :param resources: the same by URI or URI template (RFC 6570), such as ``"notes://{id}"``. All entries that match a
        URI hold together.
    :param prompts: the same by the name of a prompt.
    :param requires: holds for every message: a scope, a rule or ``requires(…)``.
    :raises RuleError: for a declaration that is none of these, or a name that is no URI template.
    """

    def __init__(
        self,
        *,
        tools: Rules | None = None,
        resources: Rules | None = None,
        prompts: Rules | None = None,
        requires: Declaration = _ALWAYS,
    ) -> None:
        self.requires = _requirement("requires", requires)
        self._tools = _table("tools", tools)
        self._prompts = _table("prompts", prompts)
        self._resources = _table("resources", resources)
        self._templates = {name: _template(name) for name in self._resources or () if "{" in name}
        self._warned: set[str] = set()

    @property
    def requirements(self) -> Iterator[tuple[str, Requirement]]:
        """Every rule, with the place where it was written."""
        yield "requires", self.requires
        for kind, table in (("tools", self._tools), ("resources", self._resources), ("prompts", self._prompts)):
            yield from ((f"{kind}: {name}", one) for name, one in (table or {}).items())

    @property
    def scopes(self) -> list[str]:
        """All scopes that the rules name, sorted."""
        return sorted({scope for _, one in self.requirements for scope in one.rule.scopes})

    def requirement(self, method: object, params: object) -> Requirement:
        """Return what a message requires.

        :param method: the JSON-RPC method.
        :param params: its parameters, as they were sent.
        """
        given: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
        found = self.requires
        for one in self._named_in(method, given):
            found = found & one
        return found

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> Any:
        """Refuse a message, or answer it with what its caller may see.

        :raises MCPError: if the caller does not satisfy the rules.
        """
        if ctx.request is None:
            return await call_next(ctx)
        principal = principal_of(ctx.request)
        check(self.requirement(ctx.method, ctx.params), principal)
        result = await call_next(ctx)
        return self._visible(ctx.method, result, principal)

    def _named_in(self, method: object, params: Mapping[str, Any]) -> Iterator[Requirement]:
        """Yield the rules of everything that a message names."""
        if method == "tools/call":
            yield self._named(self._tools, params.get("name"))
        elif method == "prompts/get":
            yield self._named(self._prompts, params.get("name"))
        elif method in ("resources/read", "resources/subscribe", "resources/unsubscribe"):
            yield self._resource(params.get("uri"))
        elif method == "completion/complete":
            yield self._completed(params.get("ref"))
        elif method == "subscriptions/listen":
            wanted = params.get("notifications")
            for key in ("resourceSubscriptions", "resource_subscriptions"):
                uris = wanted.get(key) if isinstance(wanted, Mapping) else None
                listed = uris if isinstance(uris, Sequence) and not isinstance(uris, str) else ()
                yield from map(self._resource, listed) if len(listed) <= URIS_MAX else (_NEVER,)

    def _completed(self, ref: object) -> Requirement:
        if not isinstance(ref, Mapping):
            return _ALWAYS  # refused by the SDK
        prompt, resource = ref.get("name"), ref.get("uri")
        found = _ALWAYS
        if prompt is not None or ref.get("type") == "ref/prompt":
            found = found & self._named(self._prompts, prompt)
        if resource is not None or ref.get("type") == "ref/resource":
            found = found & self._resource(resource)
        return found

    def _named(self, table: Mapping[str, Requirement] | None, name: object) -> Requirement:
        if table is None:
            return _ALWAYS
        return table.get(name if isinstance(name, str) else "", table.get(ANY, _NEVER))

    def _resource(self, uri: object) -> Requirement:
        table = self._resources
        if table is None:
            return _ALWAYS
        if not isinstance(uri, str):
            return _NEVER
        # The server decodes what a template captures, so an encoded spelling of a URI is the same resource.
        spellings = {uri, unquote(uri)}
        found = [
            one for name, one in table.items() if name != ANY and any(self._fits(name, each) for each in spellings)
        ]
        if not found:
            return table.get(ANY, _NEVER)
        first, *others = found
        for one in others:
            first = first & one
        return first

    def _fits(self, name: str, uri: str) -> bool:
        template = self._templates.get(name)
        return name == uri or (template is not None and template.match(uri) is not None)

    def _visible(self, method: str, result: Any, principal: Principal) -> Any:
        """Return a list without what the principal may not use. It is that caller's own, so no cache may share it."""
        kept = _LISTS.get(method)
        if kept is None or result is None:
            return result
        member, key = kept
        answer = _as_dict(result)
        listed = [one for one in answer.get(member) or () if isinstance(one, Mapping)]
        rules = [self._listed(member, one.get(key)) for one in listed]
        for one, rule in zip(listed, rules, strict=True):
            if rule is _NEVER:
                self._warn(f"{member}: {one.get(key)}")
        allowed = [one for one, rule in zip(listed, rules, strict=True) if _is_allowed(rule, principal)]
        shared = {"cacheScope": "private"} if "cacheScope" in answer else {}
        return {**answer, member: allowed, **shared}

    def _listed(self, member: str, name: object) -> Requirement:
        if member == "tools":
            return self._named(self._tools, name)
        return self._named(self._prompts, name) if member == "prompts" else self._resource(name)

    def _warn(self, what: str) -> None:
        if what not in self._warned and len(self._warned) < NAMES_WARNED_MAX:
            self._warned.add(what)
            log.warning("no rule, hidden and refused: %s", what)


def principal_of(request: Any) -> Principal:
    """Return the caller of a message.

    :raises MCPError: if nothing has authenticated it: the server's app is not inside ``protect_mcp``, or the server has
        another verifier.
    """
    user = request.scope.get("user")
    token = user.access_token if isinstance(user, AuthenticatedUser) else None
    if isinstance(token, SpacekeyAccessToken):
        return token.principal
    raise MCPError(REFUSED, "This needs a token in the Authorization header.", {"code": "unauthenticated"})


def check(requirement: Requirement, principal: Principal) -> None:
    """Check that a principal satisfies a requirement.

    :raises MCPError: if not, with the members of the problem document.
    """
    decision = evaluate(requirement, principal, {})
    if isinstance(decision, Allowed):
        return
    if isinstance(decision, Denied) and decision.reason is DenialReason.SCOPES:
        raise as_error(responses.scope_missing("", decision.missing))
    raise as_error(responses.token_refused(""))


def as_error(problem: responses.ProblemResponse) -> MCPError:
    """Return a refusal as an error of JSON-RPC."""
    return MCPError(REFUSED, problem.detail, {"code": problem.code, **problem.members})


def _is_allowed(requirement: Requirement, principal: Principal) -> bool:
    return isinstance(evaluate(requirement, principal, {}), Allowed)


def _as_dict(result: Any) -> dict[str, Any]:
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dict(result)


def _table(kind: str, rules: Rules | None) -> dict[str, Requirement] | None:
    if rules is None:
        return None
    if not isinstance(rules, Mapping):
        raise RuleError(f"{kind}: write a mapping of names to rules, such as {{'add_note': 'notes:write'}}")
    return {name: _requirement(f"{kind}: {name}", one) for name, one in rules.items()}


def _requirement(where: str, declaration: Declaration) -> Requirement:
    try:
        access = access_from(declaration)
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from None
    if not isinstance(access, Requirement):
        raise RuleError(f"{where}: an MCP server admits no callers without a token; write requires() for any valid one")
    if access.spaces:
        raise RuleError(f"{where}: there is no path that could name a space; leave space_param out")
    return access


def _template(name: str) -> UriTemplate:
    try:
        return UriTemplate.parse(name)
    except InvalidUriTemplate as error:
        raise RuleError(f"resources: {name!r:.80} is no URI template: {error}") from None
