"""Entity tags of objects, and the preconditions ``If-Match`` and ``If-None-Match`` (RFC 9110 §8.8.3 and §13.1)."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.refusal import PreconditionFailed

from .requests import BadBody
from .response_models import API_KEY, Answer, ApiKey

T = TypeVar("T")

TAG_LENGTH = 22
"""Number of characters of an entity tag: 128 bits in base64."""

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[ \t,]*(?:{_TAG}[ \t]*(?:,[ \t,]*|\Z))*")
_EACH = re.compile(_TAG)


def entity_tag(key: ApiKey) -> str:
    """Return the strong entity tag of a key, see :func:`tag_of`."""
    return tag_of(API_KEY, key)


def tag_of(kind: Answer[T], shown: T) -> str:
    """Return the strong entity tag of an object as ``GET`` shows it, which differs whenever any member of it does."""
    digest = sha256(kind.adapter.dump_json(shown, warnings=False)).digest()
    return f'"{urlsafe_b64encode(digest)[:TAG_LENGTH].decode()}"'


@dataclass(frozen=True, slots=True)
class Preconditions:
    """Conditions of a request about the entity tag of its object.

    :ivar if_match: the tags of ``If-Match``; None without the header, and an empty tag list matches nothing.
    :ivar if_none_match: the tags of ``If-None-Match``; None without the header.
    """

    if_match: tuple[str, ...] | None
    if_none_match: tuple[str, ...] | None

    def allow(self, tag: str) -> bool:
        """Return whether a change may be made to a key with this tag; compares ``If-Match`` strongly."""
        return self.matched(tag) and not self.unchanged(tag)

    def answer(self, what: str, kind: Answer[T], shown: T) -> Response:
        """Return the answer to ``GET``: the object with its tag, or 304 if the client has it already.

        :raises PreconditionFailed: if ``If-Match`` does not name its tag.
        """
        tag = tag_of(kind, shown)
        if not self.matched(tag):
            raise PreconditionFailed(what)
        if self.unchanged(tag):
            return Response(status_code=304, headers={"ETag": tag})
        return kind.response(shown, headers={"ETag": tag})

    def matched(self, tag: str) -> bool:
        """Return whether ``If-Match`` is missing or names the tag. A weak tag never does (RFC 9110 §8.8.3.2)."""
        return self.if_match is None or "*" in self.if_match or tag in self.if_match

    def unchanged(self, tag: str) -> bool:
        """Return whether ``If-None-Match`` names the tag, weak or not."""
        known = self.if_none_match
        return known is not None and ("*" in known or any(one.removeprefix("W/") == tag for one in known))


def preconditions_of(request: Request) -> Preconditions:
    """Return the preconditions of a request.

    :raises BadBody: 400 if one of the headers is neither ``*`` nor a list of entity tags.
    """
    return Preconditions(_tags(request, "If-Match"), _tags(request, "If-None-Match"))


def _tags(request: Request, name: str) -> tuple[str, ...] | None:
    sent = request.headers.getlist(name)
    if not sent:
        return None
    text = ", ".join(sent).strip(" \t")
    if text == "*":
        return ("*",)
    if _LIST.fullmatch(text) is None:
        detail = f"Write {name} as an entity tag in quotes, such as that of the header ETag, or as *."
        raise BadBody(400, "invalid_precondition", detail)
    return tuple(_EACH.findall(text))
