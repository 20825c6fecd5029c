"""Guards in source code: what refuses, found in the syntax tree, so that each can be removed or watched.

A guard is one of:

- ``if …: raise …``, and each operand of ``or`` in such a condition;
- ``if …: return Rejected(…)`` and other answers that refuse, and each operand of ``or`` there;
- a call that raises or does nothing, as a statement: ``….require(…)``, ``check_…(…)``, ``_keep_…(…)``;
- each operand of ``and`` in ``return a and b`` of a function that answers ``-> bool``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FIRED = "_guard_fired"
HELD_BACK = "_guard_held_back"

_CALLS = re.compile(r"require|_?(?:check|require|keep|not|refuse|forbid)_\w+")
_REFUSING = frozenset(
    {"Rejected", "Unavailable", "Denied", "ServiceUnavailable", "Flooded", "GraphQLError", "refusal_of"}
)


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard of one file.

    :param kind: ``if``, ``operand``, ``call`` or ``predicate``.
    :param place: of an operand, which one; else 0.
    :param text: its source, on one line.
    :param within: the class and function it stands in, with dots.
    """

    file: str
    line: int
    column: int
    kind: str
    place: int
    text: str
    within: str

    @property
    def key(self) -> str:
        """What names it in this version of the file."""
        return f"{self.file}:{self.line}:{self.column}:{self.kind}:{self.place}"

    @property
    def lasting_key(self) -> str:
        """What names it also when lines move: for the list of guards that need no test."""
        return f"{self.file}::{self.within}::{self.kind}::{self.text}"


def guards_in(file: str, source: str) -> list[Guard]:
    """All guards of a file, in order.

    :param file: the name to give it.
    """
    return [guard for guard, _ in _found(file, ast.parse(source))]


def without(file: str, source: str, key: str) -> ast.Module:
    """The file's tree with one guard removed.

    :raises KeyError: there is no such guard.
    """
    tree = ast.parse(source)
    for guard, node in _found(file, tree):
        if guard.key == key:
            _Removing(node, guard).visit(tree)
            return ast.fix_missing_locations(tree)
    raise KeyError(key)


def watched(file: str, source: str) -> ast.Module:
    """The file's tree in which every guard tells ``builtins`` when it refuses: see :data:`FIRED`, :data:`HELD_BACK`."""
    tree = ast.parse(source)
    nodes: dict[ast.AST, list[Guard]] = {}
    for guard, node in _found(file, tree):
        nodes.setdefault(node, []).append(guard)
    _Watching(nodes).visit(tree)
    return ast.fix_missing_locations(tree)


def _found(file: str, tree: ast.Module) -> Iterator[tuple[Guard, ast.stmt]]:
    for node, within, answers_bool in _statements(tree, (), False):
        match node:
            case ast.If() if _refuses(node.body):
                yield _guard(file, node, "if", 0, node.test, within), node
                if isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or):
                    for place, operand in enumerate(node.test.values):
                        yield _guard(file, node, "operand", place, operand, within), node
            case ast.Expr() if (call := _called(node)) is not None:
                yield _guard(file, node, "call", 0, call, within), node
            case ast.Return(value=ast.BoolOp(op=ast.And(), values=values)) if answers_bool:
                for place, operand in enumerate(values):
                    yield _guard(file, node, "predicate", place, operand, within), node


def _statements(node: ast.AST, within: tuple[str, ...], answers_bool: bool) -> Iterator[tuple[ast.stmt, str, bool]]:
    for child in ast.iter_child_nodes(node):
        inner, answers = within, answers_bool
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = (*within, child.name)
            answers = (
                not isinstance(child, ast.ClassDef)
                and isinstance(child.returns, ast.Name | ast.Constant)
                and ast.unparse(child.returns).strip("'\"") == "bool"
            )
        elif isinstance(child, ast.stmt):
            yield child, ".".join(within), answers_bool
        yield from _statements(child, inner, answers)


def _guard(file: str, node: ast.stmt, kind: str, place: int, shown: ast.AST, within: str) -> Guard:
    return Guard(file, node.lineno, node.col_offset, kind, place, " ".join(ast.unparse(shown).split()), within)


def _refuses(body: list[ast.stmt]) -> bool:
    last = body[-1]
    if isinstance(last, ast.Raise):
        return True
    if not isinstance(last, ast.Return) or last.value is None or len(body) != 1:
        return False
    calls = (node.func for node in ast.walk(last.value) if isinstance(node, ast.Call))
    return any(_name(call) in _REFUSING for call in calls)


def _called(node: ast.Expr) -> ast.Call | None:
    value = node.value.value if isinstance(node.value, ast.Await) else node.value
    return value if isinstance(value, ast.Call) and _CALLS.fullmatch(_name(value.func)) else None


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


class _Removing(ast.NodeTransformer):
    def __init__(self, target: ast.stmt, guard: Guard) -> None:
        self._target = target
        self._guard = guard

    def visit(self, node: ast.AST) -> ast.AST:
        if node is not self._target:
            return self.generic_visit(node)
        match node:
            case ast.If() if self._guard.kind == "if":
                node.test = ast.Constant(False)
            case ast.If(test=ast.BoolOp() as test) | ast.Return(value=ast.BoolOp() as test):
                del test.values[self._guard.place]
                if len(test.values) == 1:
                    _put_condition(node, test.values[0])
            case ast.Expr():
                return ast.copy_location(ast.Pass(), node)
        return node


def _put_condition(node: ast.If | ast.Return, condition: ast.expr) -> None:
    if isinstance(node, ast.If):
        node.test = condition
    else:
        node.value = condition


class _Watching(ast.NodeTransformer):
    def __init__(self, nodes: dict[ast.AST, list[Guard]]) -> None:
        self._nodes = nodes

    def visit(self, node: ast.AST) -> ast.AST:
        guards = self._nodes.get(node)
        self.generic_visit(node)
        if guards is None:
            return node
        match node:
            case ast.If():
                for guard in guards[1:]:
                    operands = node.test.values if isinstance(node.test, ast.BoolOp) else []
                    operands[guard.place] = _told(FIRED, guard, operands[guard.place])
                node.test = _told(FIRED, guards[0], node.test)
            case ast.Return(value=ast.BoolOp(values=values)):
                for guard in guards:
                    values[guard.place] = _told(HELD_BACK, guard, values[guard.place])
            case ast.Expr():
                told = ast.Expr(_told(FIRED, guards[0], ast.Constant(True)))
                handler = ast.ExceptHandler(ast.Name("BaseException", ast.Load()), None, [told, ast.Raise()])
                return ast.copy_location(ast.Try([node], [handler], [], []), node)
        return node


def _told(name: str, guard: Guard, value: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), [ast.Constant(guard.key), value], []), value)


def files_of(root: Path, folders: list[str]) -> dict[str, Path]:
    """Module name → file, of Python files below the folders, which may be single files too.

    :param folders: as in the repository, such as ``resolvers`` or ``middleware/graphql``.
    """
    files = {}
    for folder in folders:
        path = root / folder
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            files[".".join(("spacekey", *parts))] = file
    return files
