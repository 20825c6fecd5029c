"""Entity tags of keys and the preconditions ``If-Match`` and ``If-None-Match`` (RFC 9110 §8.8.3 and §13.1)."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request

from .requests import BadBody
from .response_models import API_KEY, ApiKey

TAG_LENGTH = 22
"""Number of characters of an entity tag: 128 bits in base64."""

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[ \t,]*(?:{_TAG}[ \t]*(?:,[ \t,]*|\Z))*")
_EACH = re.compile(_TAG)


def entity_tag(key: ApiKey) -> str:
    """Return the strong entity tag of a key as ``GET`` shows it, which differs whenever any member of it differs."""
    digest = sha256(API_KEY.adapter.dump_json(key, warnings=False)).digest()
    return f'"{urlsafe_b64encode(digest)[:TAG_LENGTH].decode()}"'


@dataclass(frozen=True, slots=True)
class Preconditions:
    """Conditions of a request about the entity tag of its key.

    :ivar if_match: the tags of ``If-Match``; None without the header, and an empty tag list matches nothing.
    :ivar if_none_match: the tags of ``If-None-Match``; None without the header.
    """

    if_match: tuple[str, ...] | None
    if_none_match: tuple[str, ...] | None

    def allow(self, tag: str) -> bool:
        """Return whether a change may be made to a key with this tag; compares ``If-Match`` strongly."""
        return self.matched(tag) and not self.unchanged(tag)

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
