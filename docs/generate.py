"""Write the pages that are made from the code: ``make docs-reference``, or ``python docs/generate.py``.

A page is either made as a whole, or has parts between ``<!-- made from … -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import cached_property
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, get_origin

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLType,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    print_ast,
    value_from_ast_untyped,
)
from typer.main import get_command

from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.domain.unset import UNSET
from spacekey.server.cli.app import build_app
from spacekey.server.http.openapi import REQUIRED_SCOPES, document
from spacekey.server.http.routes import OPERATIONS

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
_PART = re.compile(r"(<!-- made from [^>]+ -->\n).*?(<!-- end -->)", re.DOTALL)


def decisions() -> str:
    """Return the index of the decision records, by topic."""
    topics: dict[str, list[str]] = defaultdict(list)
    for record in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        text = record.read_text(encoding="utf-8")
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        status = re.search(r"^- Status: (.+)$", text, re.MULTILINE)
        topic = re.search(r"^- Topic: (.+)$", text, re.MULTILINE)
        if title is None or status is None or topic is None:
            raise ValueError(f"{record.name} needs a title, '- Status: …' and '- Topic: …'.")
        note = "" if status[1] == "Accepted" else f" – {status[1][0].lower()}{status[1][1:]}"
        topics[topic[1]].append(f"- {record.name[:4]} [{title[1]}]({record.name}){note}")
    head = """# Decisions

What was decided, why, and what follows from it, with the measurements. One file per decision, numbered in order. To add
one, copy the form of the newest, take the next number and run `make docs-reference`. A decision that no longer holds
stays, and its status names the one that took its place.
"""
    parts = [f"## {topic}\n\n" + "\n".join(lines) + "\n" for topic, lines in sorted(topics.items())]
    return "\n".join([head, *parts])


# --- the product file ---


def management_scopes() -> str:
    """Return a table of the management scopes."""
    rows = [f"| `{name}` | {description} |" for name, description in MANAGEMENT_SCOPES.items()]
    return "\n".join(["| scope | allows to |", "|---|---|", *rows])


_SECTIONS = {
    "load_products": "several files",
    "together": "several files",
    "load_product": "the file",
    "parse_product": "top level",
    "_toml": "the file",
    "_check_distinct": "`[shorthands.NAME]`, `[roles.NAME]`",
    "read_scopes": "`[scopes]`",
    "read_shorthands": "`[shorthands.NAME]`",
    "read_presets": "`[presets.NAME]`",
    "read_roles": "`[roles.NAME]`",
    "read_plans": "`[plans.NAME]`",
    "read_one_role": "`[tokens]`",
    "read_use_cases": "`[[use_cases]]`",
    **dict.fromkeys(
        (
            "read_presentation",
            "_word",
            "_accent",
            "_navigation",
            "_variable",
            "_url",
            "_scope_texts",
            "_texts",
            "_logo",
            "_read",
        ),
        "`[presentation]`",
    ),
}


def product_file_errors() -> str:
    """Return a table of the messages about product files, in the order of the code."""
    rows: dict[str, None] = {}
    for name in ("product_file", "product_sections", "presentation_file", "product_table"):
        tree = ast.parse((ROOT / "domain" / f"{name}.py").read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for message in _product_messages(function):
                    where = _SECTIONS.get(function.name, "any section")
                    rows[f"| {where} | {_cell(message)} |"] = None
    return "\n".join(["| in | message |", "|---|---|", *rows])


def _product_messages(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _called(node) in ("wrong", "mismatch", "ProductError"):
            message = _text(node.args[-1])
            if message is None:
                yield from _messages_assigned(node.args[-1], function)
            else:
                yield message


def _messages_assigned(node: ast.expr, function: ast.FunctionDef) -> Iterator[str]:
    """Yield the messages that a function assigns to the names in an expression."""
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    for each in ast.walk(function):
        if isinstance(each, ast.Assign) and any(isinstance(one, ast.Name) and one.id in names for one in each.targets):
            message = _text(each.value.elt if isinstance(each.value, ast.ListComp) else each.value)
            if message is not None:
                yield message


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _text(node: ast.expr) -> str | None:
    """Return a message as it is written, with ``…`` for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return None


# --- Python ---

Fields = dict[tuple[str, str], str]

_BY_METHOD = {
    "Keys": "keys",
    "Workspaces": "keys.workspaces",
    "Spaces": "keys.spaces",
    "Tokens": "keys.tokens",
    "PortalSessions": "keys.portal_sessions",
    "Usage": "keys.usage",
    "Audit": "keys.audit",
}
"""Classes of which each method is described, and what apps call their objects."""

_FIELD = re.compile(r"^:(param|returns|raises)\s*([\w.]*):\s*", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?([^`]+)`")
_SHOWN: tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...] = (
    (
        "Protect routes",
        (
            (
                "spacekey",
                (
                    "TokenMiddleware",
                    "requires",
                    "public",
                    "optional",
                    "protect",
                    "any_of",
                    "all_of",
                    "Rule",
                    "principal",
                    "principal_or_none",
                    "auth_of",
                    "RequestAuth",
                    "EXPOSED_HEADERS",
                ),
            ),
        ),
    ),
    ("Credentials", (("spacekey.credentials", ("bearer", "header", "cookie")),)),
    (
        "FastAPI",
        (
            (
                "spacekey.middleware.fastapi",
                ("RequireScopes", "OptionalPrincipal", "Public", "declare_docs", "document_rules"),
            ),
        ),
    ),
    ("OpenAPI", (("spacekey.middleware.openapi", ("describe_rules",)),)),
    (
        "GraphQL",
        (
            (
                "spacekey.middleware.graphql",
                (
                    "requires_scopes",
                    "ScopedSchema",
                    "ScopedFederationSchema",
                    "ScopeEnforcement",
                    "OnDenied",
                    "ScopedGraphQL",
                    "required_scopes",
                    "scope_report",
                    "caller_of",
                    "log_denials",
                    "compile_rules",
                    "Rulebook",
                    "RequiresScopes",
                    "Denial",
                    "DenialError",
                    "RateLimitedError",
                    "INSUFFICIENT_SCOPE",
                    "UNAUTHENTICATED",
                    "RATE_LIMITED",
                ),
            ),
        ),
    ),
    (
        "Verify tokens",
        (
            (
                "spacekey.verifiers",
                (
                    "DatabaseVerifier",
                    "RemoteVerifier",
                    "MemoryVerifier",
                    "VerifierChain",
                    "Verifier",
                    "VerifierWrapper",
                    "VerifiesSecrets",
                    "KeyFormat",
                    "KeyHash",
                    "store_usage",
                ),
            ),
        ),
    ),
    (
        "Callers and results",
        (
            (
                "spacekey",
                (
                    "Principal",
                    "Kind",
                    "Limit",
                    "Secret",
                    "AuthenticationResult",
                    "Verdict",
                    "Authenticated",
                    "Anonymous",
                    "Rejected",
                    "Reason",
                    "Unavailable",
                ),
            ),
        ),
    ),
    (
        "Issue tokens in your app",
        (
            ("spacekey", ("Keys", "Actor", "ALL")),
            (
                "spacekey.keys",
                (
                    "Workspaces",
                    "Spaces",
                    "Tokens",
                    "PortalSessions",
                    "Usage",
                    "Audit",
                    "Workspace",
                    "Policy",
                    "Space",
                    "Token",
                    "IssuedToken",
                    "ChangedToken",
                    "RevokedTokens",
                    "OpenedPortalSession",
                    "ChangedWorkspace",
                    "Status",
                    "TokenOrder",
                    "UsageDay",
                    "TokenUsage",
                    "TokenQuota",
                    "ImportedRow",
                    "ImportOutcome",
                    "AuditEvent",
                    "ActorKind",
                    "InputCode",
                    "ConflictCode",
                    "Fault",
                ),
            ),
        ),
    ),
    (
        "MCP",
        (
            (
                "spacekey.middleware.mcp",
                (
                    "protect_mcp",
                    "McpScopes",
                    "McpTokenVerifier",
                    "SpacekeyAccessToken",
                    "current_principal",
                    "resource_metadata",
                ),
            ),
        ),
    ),
    (
        "Limits and usage",
        (
            ("spacekey", ("MemoryLimiter", "RateLimiting", "RefusalFlood", "Limiter", "ObservedLimiter")),
            ("spacekey.middleware.limits.redis", ("RedisLimiter",)),
            ("spacekey", ("UsageCollector",)),
        ),
    ),
    (
        "Metrics and traces",
        (
            ("spacekey.middleware.observability.metrics", ("AppMetrics", "metrics_endpoint")),
            ("spacekey.middleware.observability.opentelemetry", ("Telemetry",)),
        ),
    ),
    (
        "Errors",
        (
            (
                "spacekey",
                (
                    "SpacekeyError",
                    "ConfigurationError",
                    "RuleError",
                    "ProductError",
                    "ServiceUnavailable",
                    "UserError",
                    "NotFound",
                    "InvalidInput",
                    "Conflict",
                    "PlanLimit",
                    "ScopeNotAllowed",
                    "Forbidden",
                ),
            ),
        ),
    ),
    (
        "Who your people are",
        (
            (
                "spacekey.server.identity",
                (
                    *("Identity", "Issuer", "Person", "SignInRejected"),
                    *("Passwords", "OpenIDConnect", "TrustedHeader", "HostSession"),
                ),
            ),
        ),
    ),
    ("Tests", (("spacekey.middleware.testing", ("issue_token", "TestToken", "undeclared_routes")),)),
)
"""The public names by topic: exactly those of ``__all__`` in each public module."""


def python() -> str:
    """Return the reference of the Python package, from signatures and docstrings."""
    parts = [
        """# Python reference

Made from the docstrings. The guides explain when to use what: [Starlette](../how-to/protect-starlette.md),
[FastAPI](../how-to/protect-fastapi.md), [Strawberry](../how-to/protect-strawberry.md),
[another service](../how-to/remote.md), [limits](../how-to/limits.md),
[keys for your users](../how-to/give-your-users-api-keys.md).

Arguments after `*` are given by name.
"""
    ]
    for title, names in _SHOWN:
        parts.append(f"## {title}\n")
        parts += [_described(module, name) for module, listed in names for name in listed]
    return "\n".join(parts)


def _described(module: str, name: str) -> str:
    shown = getattr(import_module(module), name)
    heading = f"### `{name}`\n\nFrom `{module}`.\n"
    if get_origin(shown) is not None or not callable(shown):  # an alias of types, or a constant
        value, doc = _assigned(module, name)
        return f"{heading}\n{_prose(doc)}\n\n```text\n{name} = {value}\n```\n"
    doc = inspect.getdoc(shown) or ""
    prose, fields = _split(doc)
    if inspect.isclass(shown) and not fields:
        fields = next((found for base in shown.__mro__ if (found := _split(inspect.getdoc(base) or "")[1])), {})
    lines = [heading, f"{_prose(prose)}\n"]
    arguments = [one for one in _signature(shown) if one.name not in ("self", "args", "kwargs")]
    if name in _BY_METHOD and not all(("param", one.name) in fields for one in arguments):
        # Apps do not make it; what its docstring says of arguments is common to its methods.
        return "\n".join([*lines, *_methods(shown, _BY_METHOD[name], fields)])
    if inspect.isclass(shown) and not all(("param", one.name) in fields for one in arguments):
        lines += _members(shown)
    elif arguments:
        lines += _arguments(arguments, fields)
    if (returned := fields.get(("returns", ""))) is not None:
        lines.append(f"Returns {_prose(returned)}\n")
    lines += _raised(fields)
    if name in _BY_METHOD:
        lines += _methods(shown, _BY_METHOD[name], {})
    return "\n".join(lines)


def _arguments(arguments: list[inspect.Parameter], fields: Fields) -> list[str]:
    """Return the table of a function's arguments."""
    lines, star = ["| argument | default | |\n|---|---|---|"], False
    for one in arguments:
        if one.kind is one.KEYWORD_ONLY and not star:
            star = True
            lines.append("| `*` | | |")
        said = fields.get(("param", one.name), "")
        stars = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
        label = stars + one.name
        lines.append(f"| `{label}` | {_default(one)} | {_cell(_sentence(_prose(said)))} |")
    return [*lines, ""]


def _raised(fields: Fields) -> list[str]:
    return [f"Raises `{what}` {_prose(why)}\n" for (kind, what), why in fields.items() if kind == "raises"]


def _methods(kind: type, called: str, common: Fields) -> list[str]:
    """Return what each public method and property of a class does, with its arguments.

    :param called: what an app calls the object.
    :param common: what is said of arguments of several methods.
    """
    lines = []
    for name, one in vars(kind).items():
        if name.startswith("_") or not (inspect.isfunction(one) or isinstance(one, property | cached_property)):
            continue
        prose, fields = _split(inspect.getdoc(one) or "")
        lines.append(f"#### `{called}.{name}`\n\n{_prose(prose)}\n")
        if inspect.isfunction(one):
            arguments = [each for each in inspect.signature(one).parameters.values() if each.name != "self"]
            lines += _arguments(arguments, {**common, **fields}) if arguments else []
        lines += _raised(fields)
    return lines


def _signature(shown: Any) -> list[inspect.Parameter]:
    """Return the arguments; none for an error that is raised with a message alone."""
    if inspect.isclass(shown) and issubclass(shown, Exception) and "__init__" not in vars(shown):
        return []
    return list(inspect.signature(shown).parameters.values())


def _members(kind: type) -> list[str]:
    """Return the lines about a class that apps do not make themselves: its values, fields, methods and properties."""
    if issubclass(kind, Enum):
        return ["Values: " + ", ".join(f"`{one.name}` = `{one.value!r}`" for one in kind) + ".\n"]
    fields = [one.name for one in dataclasses.fields(kind) if one.init] if dataclasses.is_dataclass(kind) else []
    lines = ["Fields: " + ", ".join(f"`{name}`" for name in fields) + ".\n"] if fields else []
    members = {name: one for base in reversed(kind.__mro__) if _ours(base) for name, one in vars(base).items()}
    rows = []
    for name, one in members.items():
        function = getattr(one, "__func__", one)
        said = _prose(_split(inspect.getdoc(one) or "")[0]).split("\n\n")[0] if _is_member(one) else ""
        if said and not name.startswith("_"):
            names = [each for each in _names(function) if each not in ("self", "cls")] if callable(function) else None
            label = name if names is None else f"{name}({', '.join(names)})"
            rows.append(f"| `{label}` | {_cell(said)} |")
    return [*lines, "| member | |\n|---|---|", *rows, ""] if rows else lines


def _ours(kind: type) -> bool:
    return kind.__module__.startswith("spacekey.")


def _is_member(one: object) -> bool:
    return inspect.isfunction(one) or isinstance(one, property | classmethod | staticmethod)


def _names(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def _assigned(module: str, name: str) -> tuple[str, str]:
    """Return what ``name`` is assigned in the module that it comes from, as code, and the string below that."""
    source = inspect.getsource(import_module(module))
    body = ast.parse(source).body
    for node, following in pairwise(body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = getattr(node, "value", None)
            if value is not None and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                return ast.unparse(value).replace("'", '"'), str(following.value.value)
    for each in ast.walk(ast.parse(source)):
        if isinstance(each, ast.ImportFrom) and any(one.name == name for one in each.names):
            return _assigned(f"{module}.{each.module}" if each.level else str(each.module), name)
    raise ValueError(f"{module}.{name} has no docstring.")


def _split(doc: str) -> tuple[str, dict[tuple[str, str], str]]:
    """Return a docstring's prose, and its fields by kind and name."""
    first = _FIELD.search(doc)
    return (doc, {}) if first is None else (doc[: first.start()], _fields(doc[first.start() :]))


def _fields(text: str) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    matches = list(_FIELD.finditer(text))
    for match, following in zip(matches, [*matches[1:], None], strict=True):
        said = text[match.end() : None if following is None else following.start()]
        found[match[1], match[2]] = said.strip()
    return found


def _prose(text: str) -> str:
    """Return a docstring's reStructuredText as Markdown: roles, literals, and indented examples."""
    text = _ROLE.sub(lambda match: f"`{match[1].rpartition('.')[2]}`", text.strip()).replace("``", "`")
    text = re.sub(r"docs/([\w-]+)/([\w-]+)\.md", r"[\2](../\1/\2.md)", text)
    blocks: list[str] = []
    for block in re.split(r"\n\n+", text):
        if block.startswith("    "):
            if blocks and blocks[-1].startswith("```"):
                blocks[-1] = blocks[-1].removesuffix("\n```") + "\n\n" + inspect.cleandoc(block) + "\n```"
            else:
                blocks.append("```text\n" + inspect.cleandoc(block) + "\n```")
        else:
            blocks.append(" ".join(line.strip() for line in block.splitlines()).replace("::", ":"))
    return "\n\n".join(blocks)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _default(argument: inspect.Parameter) -> str:
    value = argument.default
    if value is inspect.Parameter.empty:
        return "" if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD) else "required"
    if isinstance(value, type(dataclasses.MISSING)) or repr(value) == "<factory>":
        return "new"
    if isinstance(value, Enum) and isinstance(value, str):
        return f"`{value.value!r}`"
    if value is UNSET:
        return "left out"
    if callable(value) or repr(value).startswith("<"):
        return f"`{getattr(value, '__name__', type(value).__name__)}`"
    return f"`{getattr(value, 'value', value)!r}`"


def _cell(text: str) -> str:
    return text.replace("\n\n", " ").replace("\n", " ").replace("|", "\\|")


# --- the command line ---


def command_line() -> str:
    """Return the reference of the command line, from the program itself."""
    root = get_command(build_app())
    parts = [
        """# Command line

Made from the program: `spacekey --help` and `spacekey COMMAND --help` say the same. Commands read the
[settings](settings.md) and work on the database directly, so they need no running server. Running them takes no
scopes: guard access to the machine. From other machines, they
[speak to a server](../how-to/command-line.md) with a token.

- Exit codes: 0 good; 1 refused, not found or something wrong; 2 wrong usage, value or setting; 3 unavailable.
- `--json` prints one JSON document: an object, or an array for lists. `--jsonl` prints a list as one object per line.
  Facts go to standard error where standard output holds a secret.
- Tables have one line a row and fit the terminal: names are cut, then columns left out, ids and prefixes never.
  `--wide` prints everything; so does a table that goes to a file or another program.
- Commands that end something ask first; `--yes` answers for you.
- Without an option stands the thing itself. The workspace that it is in is `-w`, or `SPACEKEY_WORKSPACE`.
- A token is named by its id (`key_…`), a person by an account's id (`usr_…`) or a proven address, a workspace or
  space by its slug or id.
"""
    ]
    parts += [_command(path, command) for path, command in _commands("spacekey", root) if path != "spacekey"]
    return "\n".join(parts)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(f"{path} {name}", child)


def _command(path: str, command: Any) -> str:
    said = _one_line(command.help or "")
    if getattr(command, "commands", None):
        return f"## `{path}`\n\n{said}\n"
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    usage = " ".join([path, *map(_placeholder, arguments)])
    depth = "##" if path.count(" ") == 1 else "###"
    lines = [f"{depth} `{path}`\n", f"{said}\n", f"```text\n{usage}{' [OPTIONS]' if options else ''}\n```\n"]
    if command.examples:
        lines.append("\n".join(["```sh", *command.examples, "```\n"]))
    if arguments or options:
        lines.append("| | default | |\n|---|---|---|")
        for one in [*arguments, *options]:
            names = _placeholder(one) if one in arguments else ", ".join([*one.opts, *one.secondary_opts])
            default = "required" if one.required else _shown_default(one)
            lines.append(f"| `{names}` | {default} | {_cell(_one_line(one.help or ''))} |")
        lines.append("")
    return "\n".join(lines)


def _placeholder(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _shown_default(option: Any) -> str:
    default = option.default
    if default is None or callable(default) or default in (False, (), [], ""):
        return ""
    return f"`{default}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- REST ---


def rest_api() -> str:
    """Return the reference of the REST API, from its OpenAPI document."""
    found = document(OPERATIONS)
    parts = [
        """# REST reference

Made from the OpenAPI document, which a server answers at `/api/v1/openapi.json`.
[Use the REST API](../how-to/rest-api.md) shows each call with its answer, and [Error codes](errors.md) what refusals
look like. Tokens are called API keys here, and what they were granted `permissions`.

Scopes that an operation needs are in its `x-required-scopes`, too: all of one of the lists. Times are in UTC with
milliseconds, such as `2026-11-30T08:15:00.000Z`.

## Headers of every answer

| header | |
|---|---|"""
    ]
    for name in sorted(_ON_EVERY_ANSWER):
        parts[0] += f"\n| `{name}` | {_cell(found['components']['headers'][name]['description'])} |"
    parts[0] += "\n"
    for path, item in found["paths"].items():
        parts += [_operation(method.upper(), path, operation) for method, operation in item.items()]
    parts.append("## Objects\n")
    parts += [_object(name, schema) for name, schema in found["components"]["schemas"].items()]
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"## `{method} {path}`\n", f"{operation['description']}\n"]
    if scopes := [" and ".join(f"`{one}`" for one in each) for each in operation.get(REQUIRED_SCOPES, ()) if each]:
        lines.append(f"Needs {' or '.join(scopes)}.\n")
    if operation["parameters"]:
        lines.append("| parameter | in | type | |\n|---|---|---|---|")
        lines += [
            f"| `{one['name']}` | {one['in']} | {_type(one['schema'])} | {_cell(one['description'])} |"
            for one in operation["parameters"]
        ]
        lines.append("")
    if "requestBody" in operation:
        media, content = next(iter(operation["requestBody"]["content"].items()))
        needed = "" if operation["requestBody"].get("required") else ", optional"
        lines.append(f"Body: {_type(content['schema'])} as `{media}`{needed}.\n")
    for status, answer in operation["responses"].items():
        if status.startswith(("2", "3")):
            schemas = [media["schema"] for media in answer.get("content", {}).values()]
            shown = [_type(schema) for schema in schemas if "$ref" in schema]
            headers = [f"`{name}`" for name in answer["headers"] if name not in _ON_EVERY_ANSWER]
            with_them = f"; headers {', '.join(headers)}" if headers else ""
            lines.append(
                f"Answer: {status}{' with ' + shown[0] if shown else ''}{with_them}. {answer['description']}\n"
            )
    refused = [status for status in operation["responses"] if status.startswith(("4", "5"))]
    if refused:
        lines.append(f"Refusals: {', '.join(refused)}.")
    return "\n".join(lines) + "\n"


_ON_EVERY_ANSWER = {"X-Request-Id", "Cache-Control", "Vary", "RateLimit", "RateLimit-Policy"}
"""Headers that the page explains once."""


def _object(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}\n"]
    if said := schema.get("description"):
        lines.append(f"{_prose(said)}\n")
    if not (properties := schema.get("properties", {})):
        return "\n".join([*lines, f"{_type(schema)}\n"])
    lines.append("| member | type | | |\n|---|---|---|---|")
    for member, of in properties.items():
        needed = "always" if member in schema.get("required", ()) else ""
        choices = [of, *of.get("anyOf", ())]
        said = next((one["description"] for one in choices if "description" in one), "")
        lines.append(f"| `{member}` | {_type(of)} | {needed} | {_cell(_sentence(said))} |")
    return "\n".join(lines) + "\n"


def _type(schema: dict[str, Any]) -> str:
    """Return a JSON schema's type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(_type(one) for one in schema.get("anyOf") or schema["oneOf"])
    if "enum" in schema:
        return " or ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(_type({**schema, "type": one}) if one != "null" else one for one in kind)
    if kind == "array":
        return f"list of {_type(schema['items'])}{_bounds(schema, 'Items')}"
    kind = {"date-time": "time"}.get(schema.get("format", ""), kind)
    default = f", default `{json.dumps(schema['default'])}`" if "default" in schema else ""
    return f"{kind}{_bounds(schema, 'Length')}{_range(schema)}{default}"


def _bounds(schema: dict[str, Any], what: str) -> str:
    most = schema.get(f"max{what}")
    return "" if most is None else f", at most {most:,}"


def _range(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None and most is None:
        return ""
    return f", from {least}" if most is None else f", {least} to {most:,}"


# --- GraphQL ---


def graphql() -> str:
    """Return the reference of the GraphQL schema: operations first, then each kind of type by name."""
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    parts = [
        "# GraphQL reference",
        _GRAPHQL_HEAD,
    ]
    roots = {one.name for one in (schema.query_type, schema.mutation_type) if one is not None}
    operations = (("Queries", "query", schema.query_type), ("Mutations", "mutation", schema.mutation_type))
    for title, kind, root in operations:
        if root is not None:
            parts += [
                f"## {title}",
                *(_graphql_operation(kind, name, field) for name, field in sorted(root.fields.items())),
            ]
    named = {name: one for name, one in sorted(schema.type_map.items()) if not name.startswith("__")}
    for title, of_kind in _KINDS.items():
        found = [one for name, one in named.items() if isinstance(one, of_kind) and name not in roots]
        parts += [f"## {title}", *(_graphql_type(schema, one) for one in found if one.name not in _BUILT_IN)]
    return "\n\n".join(parts) + "\n"


_GRAPHQL_HEAD = (
    "Made from [`schema.graphql`](../../schema/schema.graphql), which introspection gives, too. [Use the GraphQL "
    "API](../how-to/graphql-api.md) shows how to call it, page through lists and read refusals. A field *needs* the "
    "scopes that stand beside it, all of one of the lists."
)
_BUILT_IN = ("Boolean", "Float", "ID", "Int", "String")
_KINDS: dict[str, type[GraphQLNamedType]] = {
    "Objects": GraphQLObjectType,
    "Interfaces": GraphQLInterfaceType,
    "Unions": GraphQLUnionType,
    "Inputs": GraphQLInputObjectType,
    "Enums": GraphQLEnumType,
    "Scalars": GraphQLScalarType,
}


def _graphql_operation(kind: str, name: str, field: GraphQLField) -> str:
    answers = f"Answers {_graphql_reference(field.type)}.{_needed(field)}"
    lines = [f"### `{kind} {name}`", _plain(field.description), answers]
    if field.args:
        rows = [
            f"| `{arg}` | {_graphql_reference(one.type)}{_graphql_default(one)} | {_plain(one.description)} |"
            for arg, one in field.args.items()
        ]
        lines.append("\n".join(["| argument | type | |", "|---|---|---|", *rows]))
    return "\n\n".join(line for line in lines if line)


def _graphql_type(schema: GraphQLSchema, one: GraphQLNamedType) -> str:
    lines = [f"### `{one.name}`", _plain(one.description)]
    if isinstance(one, GraphQLObjectType | GraphQLInterfaceType):
        if one.interfaces:
            lines.append(f"Is a {', '.join(_graphql_reference(each) for each in one.interfaces)}.")
        if isinstance(one, GraphQLInterfaceType):
            lines.append(f"Is one of {_listed(schema.get_possible_types(one))}.")
        rows = [
            f"| `{name}`{_graphql_arguments(field)} | {_graphql_reference(field.type)} | {_plain(field.description)}"
            f"{_needed(field)} |"
            for name, field in one.fields.items()
        ]
        lines.append("\n".join(["| field | type | |", "|---|---|---|", *rows]))
    elif isinstance(one, GraphQLUnionType):
        lines.append(f"Is one of {_listed(one.types)}.")
    elif isinstance(one, GraphQLInputObjectType):
        rows = [
            f"| `{name}` | {_graphql_reference(field.type)}{_graphql_default(field)} | {_plain(field.description)} |"
            for name, field in one.fields.items()
        ]
        lines.append("\n".join(["| field | type | |", "|---|---|---|", *rows]))
    elif isinstance(one, GraphQLEnumType):
        rows = [f"| `{name}` | {_plain(value.description)} |" for name, value in one.values.items()]
        lines.append("\n".join(["| value | |", "|---|---|", *rows]))
    return "\n\n".join(line for line in lines if line)


def _listed(types: Iterable[GraphQLNamedType]) -> str:
    return ", ".join(_graphql_reference(one) for one in sorted(types, key=lambda one: one.name))


def _graphql_reference(kind: GraphQLType) -> str:
    """Return a type with a link to its heading."""
    name = get_named_type(kind).name
    shown = f"`{kind}`"
    return shown if name in _BUILT_IN else f"[{shown}](#{name.lower()})"


def _graphql_default(one: GraphQLArgument | GraphQLInputField) -> str:
    node = one.ast_node
    return "" if node is None or node.default_value is None else f", default `{print_ast(node.default_value)}`"


def _graphql_arguments(field: GraphQLField) -> str:
    if not field.args:
        return ""
    return "(" + ", ".join(f"`{name}`: {_graphql_reference(one.type)}" for name, one in field.args.items()) + ")"


def _needed(field: GraphQLField) -> str:
    """Return the scopes that a field needs, as a sentence; an empty text for none."""
    for directive in (field.ast_node.directives or ()) if field.ast_node is not None else ():
        if directive.name.value == "requiresScopes" and directive.arguments:
            lists = value_from_ast_untyped(directive.arguments[0].value)
            alternatives = [" and ".join(f"`{scope}`" for scope in scopes) for scopes in lists]
            return f" Needs {' or '.join(alternatives)}." if all(alternatives) else ""
    return ""


def _plain(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").split())


PAGES: dict[str, Callable[[], str]] = {
    "decisions/README.md": decisions,
    "reference/python.md": python,
    "reference/command-line.md": command_line,
    "reference/rest-api.md": rest_api,
    "reference/graphql.md": graphql,
}
"""Pages that are made as a whole, by their path in ``docs/``."""

PARTS: dict[str, tuple[Callable[[], str], ...]] = {
    "reference/product-file.md": (management_scopes, product_file_errors),
}
"""Pages with parts that are made, in their order on the page."""


def made(name: str) -> str:
    """Return a page as it should be."""
    if name in PAGES:
        return PAGES[name]()
    text = (DOCS / name).read_text(encoding="utf-8")
    parts = iter(PARTS[name])
    text, count = _PART.subn(lambda match: f"{match[1]}\n{next(parts)()}\n\n{match[2]}", text)
    if count != len(PARTS[name]):
        raise ValueError(f"docs/{name} has {count} parts that are made, not {len(PARTS[name])}.")
    return text


def main() -> None:
    """Write all pages."""
    for name in [*PAGES, *PARTS]:
        (DOCS / name).write_text(made(name), encoding="utf-8")


if __name__ == "__main__":
    main()
