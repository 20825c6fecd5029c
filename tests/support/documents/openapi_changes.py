"""Breaking changes between two OpenAPI 3.1 documents of this server: what a client of the first could stumble over.

Compared are operations with their ids, parameters, bodies, answers, headers, required scopes and ways to authenticate,
and the JSON schemas of all of these, in the direction in which they are sent: a request that was valid must stay valid,
and an answer must have what it had. A keyword that is not known here may not change at all. Not looked at are
descriptions, examples, tags, and what the document cannot say, such as rules between fields.

New members of answers, new values of their enums, new error statuses and new operations are no breaking changes; see
docs/reference/stability.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
SILENT = {"description", "example", "examples", "title", "deprecated", "summary"}
"""Keywords that change nothing for a program."""
UPPER, LOWER = {"maxLength", "maxItems", "maximum"}, {"minLength", "minItems", "minimum"}
STRUCTURE = {"$ref", "type", "enum", "const", "anyOf", "items", "properties", "required"} | UPPER | LOWER | SILENT
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def breaking_changes(old: Json, new: Json) -> list[str]:
    """Return a line for each breaking change, sorted."""
    return sorted(set(_Comparison(old, new).document()))


@dataclass(frozen=True)
class _Comparison:
    old: Json
    new: Json

    def document(self) -> Iterator[str]:
        for path, item in self.old["paths"].items():
            for method, operation in item.items():
                if method in METHODS:
                    now = self.new["paths"].get(path, {}).get(method)
                    where = f"{method.upper()} {path}"
                    yield from [f"{where}: removed"] if now is None else self.operation(where, operation, now)

    def operation(self, where: str, was: Json, now: Json) -> Iterator[str]:
        if was["operationId"] != now["operationId"]:
            yield f"{where}: operationId '{was['operationId']}' is '{now['operationId']}'"
        yield from self.parameters(where, was, now)
        yield from self.body(where, was.get("requestBody"), now.get("requestBody"))
        yield from self.answers(where, was["responses"], now["responses"])
        yield from scopes_changed(where, was.get("x-required-scopes"), now.get("x-required-scopes"))
        ways: list[Json] = was["security"] if "security" in was else self.old["security"]
        left: list[Json] = now["security"] if "security" in now else self.new["security"]
        yield from (f"{where}: no longer authenticated by {_text(way)}" for way in ways if way not in left)

    def parameters(self, where: str, was: Json, now: Json) -> Iterator[str]:
        before, after = ({(one["in"], one["name"]): one for one in each.get("parameters", ())} for each in (was, now))
        for key, parameter in before.items():
            place = f"{where}: {key[0]} parameter '{key[1]}'"
            if key not in after:
                yield f"{place} removed"
                continue
            found = after[key]
            if found.get("required") and not parameter.get("required"):
                yield f"{place} is required"
            if any(parameter.get(name) != found.get(name) for name in ("style", "explode")):
                yield f"{place} is written otherwise"
            if parameter["schema"].get("default") != found["schema"].get("default"):
                yield f"{place} has another default"
            yield from self.schema(place, parameter["schema"], found["schema"], sent=True)
        for key, parameter in after.items():
            if key not in before and parameter.get("required"):
                yield f"{where}: new required {key[0]} parameter '{key[1]}'"

    def body(self, where: str, was: Json | None, now: Json | None) -> Iterator[str]:
        if was is None:
            if now is not None and now.get("required"):
                yield f"{where}: a body is required"
            return
        if now is None:
            yield f"{where}: body removed"
            return
        if now.get("required") and not was.get("required"):
            yield f"{where}: the body is required"
        for media, content in was["content"].items():
            if media not in now["content"]:
                yield f"{where}: body as {media} removed"
                continue
            yield from self.schema(f"{where}: body", content["schema"], now["content"][media]["schema"], sent=True)

    def answers(self, where: str, was: Json, now: Json) -> Iterator[str]:
        for status, answer in was.items():
            place = f"{where}: {status}"
            if status not in now:
                if status.startswith(("2", "3")) or status == "default":
                    yield f"{place} removed"
                continue
            yield from self.answer(place, self.resolved(answer, self.old), self.resolved(now[status], self.new))
        yield from (f"{where}: new status {one}" for one in now if one.startswith(("2", "3")) and one not in was)

    def answer(self, place: str, before: Json, after: Json) -> Iterator[str]:
        for name, header in before.get("headers", {}).items():
            if name not in after.get("headers", {}):
                yield f"{place}: header '{name}' removed"
                continue
            had, has = self.resolved(header, self.old), self.resolved(after["headers"][name], self.new)
            if had.get("required") and not has.get("required"):
                yield f"{place}: header '{name}' may be missing"
            yield from self.schema(f"{place}: header '{name}'", had["schema"], has["schema"], sent=False)
        for media, content in before.get("content", {}).items():
            found = after.get("content", {}).get(media)
            if found is None:
                yield f"{place}: {media} removed"
            else:
                yield from self.schema(place, content["schema"], found["schema"], sent=False)

    def schema(self, where: str, was: Json, now: Json, *, sent: bool, seen: tuple[str, ...] = ()) -> Iterator[str]:
        """Compare two schemas.

        :param sent: whether clients send such values; else they receive them.
        :param seen: the references that lead here, so that a recursive schema ends.
        """
        key = f"{was.get('$ref')} {now.get('$ref')}"
        if "$ref" in was and key in seen:
            return
        before, after = self.resolved(was, self.old), self.resolved(now, self.new)
        seen = (*seen, key)
        if "anyOf" in before or "anyOf" in after:
            yield from self.choices(where, before, after, sent=sent, seen=seen)
            return
        yield from _types(where, before, after, sent=sent)
        yield from _values(where, before, after, sent=sent)
        yield from _bounds(where, before, after, sent=sent)
        for keyword in sorted((before.keys() | after.keys()) - STRUCTURE - {"default"}):
            if before.get(keyword) != after.get(keyword):
                yield f"{where}: {keyword} changed"
        if "items" in before and "items" in after:
            yield from self.schema(f"{where}[]", before["items"], after["items"], sent=sent, seen=seen)
        yield from self.properties(where, before, after, sent=sent, seen=seen)

    def properties(self, where: str, before: Json, after: Json, *, sent: bool, seen: tuple[str, ...]) -> Iterator[str]:
        had, has = before.get("properties", {}), after.get("properties", {})
        must, must_now = set(before.get("required", ())), set(after.get("required", ()))
        for name, member in had.items():
            place = f"{where}.{name}"
            if name not in has:
                yield f"{place} removed"
                continue
            if sent and name in must_now - must:
                yield f"{place} is required"
            if sent and member.get("default") != has[name].get("default"):
                yield f"{place} has another default"
            if not sent and name in must - must_now:
                yield f"{place} may be missing"
            yield from self.schema(place, member, has[name], sent=sent, seen=seen)
        if sent:
            yield from (f"{where}.{name} is new and required" for name in sorted(must_now - had.keys()))

    def choices(self, where: str, before: Json, after: Json, *, sent: bool, seen: tuple[str, ...]) -> Iterator[str]:
        """Compare alternatives: each that a client knows must still be taken, or each that it gets be one it knows."""
        had, has = before.get("anyOf", [before]), after.get("anyOf", [after])
        for one in had if sent else has:
            pairs = ((one, other) if sent else (other, one) for other in (has if sent else had))
            if not any(not [*self.schema(where, *pair, sent=sent, seen=seen)] for pair in pairs):
                yield f"{where}: an alternative {'is no longer taken' if sent else 'is new'}: {_text(one)}"

    @staticmethod
    def resolved(value: Json, within: Json) -> Json:
        while "$ref" in value:
            found: Any = within
            for name in value["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            value = found
        return value


def scopes_changed(where: str, was: list[list[str]] | None, now: list[list[str]] | None) -> Iterator[str]:
    """Yield what a caller now lacks that was allowed before. None asks for no credentials, ``[[]]`` for any."""
    if now is None:
        return
    if was is None:
        yield f"{where}: needs credentials"
        return
    for alternative in was:
        if not any(set(one) <= set(alternative) for one in now):
            yield f"{where}: '{' '.join(alternative)}' is no longer enough, but {_text(now)}"


def _types(where: str, before: Json, after: Json, *, sent: bool) -> Iterator[str]:
    had, has = (one.get("type") for one in (before, after))
    if had == has:
        return
    before_types, after_types = (set(one) if isinstance(one, list) else {one} for one in (had, has))
    lost = before_types - after_types if sent else after_types - before_types
    if lost or None in before_types | after_types:
        yield f"{where}: type {_text(had)} is {_text(has)}"


def _values(where: str, before: Json, after: Json, *, sent: bool) -> Iterator[str]:
    had, has = (one.get("enum", [one["const"]] if "const" in one else None) for one in (before, after))
    if had == has:
        return
    if sent:  # new values of an answer are announced as possible
        gone = [] if has is None else ["any other"] if had is None else [one for one in had if one not in has]
        yield from (f"{where}: value {_text(one)} is no longer taken" for one in gone)
    elif has is None or had is None or "const" in before:
        yield f"{where}: values changed"


def _bounds(where: str, before: Json, after: Json, *, sent: bool) -> Iterator[str]:
    for keyword in sorted((before.keys() | after.keys()) & (UPPER | LOWER)):
        had, has = before.get(keyword), after.get(keyword)
        if had == has:
            continue
        wide, narrow = (had, has) if sent else (has, had)
        if narrow is not None and (wide is None or (narrow < wide if keyword in UPPER else narrow > wide)):
            yield f"{where}: {keyword} {_text(had)} is {_text(has)}"


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)
