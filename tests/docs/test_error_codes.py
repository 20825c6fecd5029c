"""docs/reference/errors.md has every code that the program answers, with its status and a cure, and no other."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from types import ModuleType

import spacekey
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, UserError
from spacekey.schema.types import results
from support.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
REST, GRAPHQL = PAGE.split("## GraphQL")
UNIONS_ONLY = {"SCOPE_NOT_ALLOWED", "PLAN_LIMIT", "CONFLICT", "SIGN_IN_FAILED", "TOO_MANY_ATTEMPTS", "ALREADY_CREATED"}
"""Codes of refusals that only mutations raise, which answer them as members of unions."""
REST_ONLY = {"PRECONDITION_FAILED"}
"""Codes of refusals that depend on headers of REST."""


def _modules() -> Iterator[tuple[ast.Module, ModuleType]]:
    for folder in ("middleware", "schema", "server"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(("spacekey", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
            tree = ast.parse(file.read_text(encoding="utf-8"))
            if any(
                _name(call) in ("problem", "BadBody", "refused", "coded") for call in _calls(tree)
            ) or "extensions" in (file.read_text(encoding="utf-8")):
                yield tree, importlib.import_module(name)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _rest_codes() -> set[tuple[str, str]]:
    """The status and code of each problem document that the program can answer."""
    found = {("409", code.lower()) for code in ConflictCode}
    for tree, _ in _modules():
        for call in _calls(tree):
            if _name(call) in ("problem", "BadBody") and len(call.args) > 1:
                status, code = call.args[:2]
                if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                    found.add((str(status.value), str(code.value)))
    return found


def _graphql_codes() -> set[str]:
    """The codes of GraphQL errors: arguments of ``refused`` and ``coded``, extensions, and refusals of queries."""
    found = {kind.code for kind in UserError.__subclasses__()} - UNIONS_ONLY - REST_ONLY
    for tree, module in _modules():
        calls = [call for call in _calls(tree) if isinstance(call.func, ast.Name)]
        coded = [call.args[0] for call in calls if _name(call) == "refused"]
        coded += [call.args[1] for call in calls if _name(call) == "coded"]
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                coded += [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "code"]
        for node in coded:
            value = getattr(module, node.id, None) if isinstance(node, ast.Name) else getattr(node, "value", None)
            if isinstance(value, str) and value.isupper():
                found.add(value)
    return found


def _rows(text: str, pattern: str) -> list[tuple[str, ...]]:
    return re.findall(pattern, text, re.MULTILINE)


def test_every_rest_code_stands_with_its_status() -> None:
    listed = _rows(REST, r"^\| (\d+) \| `(\w+)` \|")
    assert len(listed) == len(set(listed))
    assert set(listed) == _rest_codes()


def test_every_code_of_an_input_is_listed() -> None:
    listed = [code for code, *_ in _rows(REST, r"^\| `(\w+)` \|()")]
    assert listed == [code.lower() for code in InputCode]


def test_every_graphql_code_is_listed() -> None:
    listed = [code for code, *_ in _rows(GRAPHQL, r"^\| `([A-Z_]+)` \|()")]
    assert len(listed) == len(set(listed))
    assert set(listed) == _graphql_codes()


def test_every_type_of_the_unions_is_listed_with_its_fields() -> None:
    listed = {
        name: set(re.findall(r"`(\w+)`", fields))
        for name, fields in _rows(GRAPHQL, r"^\| `([A-Z]\w+[a-z])` \| ([^|]*)\|")
    }
    kinds = [one for one in vars(results).values() if isinstance(one, type) and issubclass(one, results.UserError)]
    expected = {}
    for kind in kinds:
        if kind is not results.UserError:
            names = {field.name for field in dataclasses.fields(kind)} - {"message", "code"}
            expected[kind.__name__] = {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in names}
    assert listed == expected


def test_every_code_has_a_meaning_and_a_cure() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| (\d+ \| `\w+`|`[A-Z_]+`|`[a-z_]+`) \|", line)]
    assert rows
    for row in rows:
        *_, meaning, cure = (cell.strip() for cell in row.strip("|").split("|"))
        assert meaning.endswith("."), row
        assert cure.endswith("."), row


def test_the_graphql_codes_of_results_are_those_of_rest_in_capitals() -> None:
    kinds = (
        {kind.code for kind in UserError.__subclasses__()} - {"CONFLICT", "INSUFFICIENT_SCOPE", "FORBIDDEN"} - REST_ONLY
    )
    assert {one.name for one in results.ErrorCode} == kinds | {code.name for code in ConflictCode}
    assert all(one.name == one.value for one in results.ErrorCode)


def test_every_refusal_of_the_python_package_is_there_with_its_code() -> None:
    listed = dict(re.findall(r"^- `(\w+)`, (?:`(\w+)`|a `ConflictCode`)", PAGE.split("## Python")[1], re.MULTILINE))
    public = {name: getattr(spacekey, name) for name in spacekey.__all__}
    raised = {name: one for name, one in public.items() if isinstance(one, type) and issubclass(one, UserError)}
    assert listed == {name: "" if one is Conflict else one.code for name, one in raised.items() if one is not UserError}
