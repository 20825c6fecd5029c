"""The README as a package index shows it: its links lead to where the repository is published."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINK = re.compile(r"(?P<before>(?P<image>!)?\[[^\]]*\]\()(?P<path>(?![a-z]+:|#)[^)\s]+)(?P<after>\))")
_SOURCE = re.compile(r'(?P<before>(?P<image>\bsrc)=")(?P<path>(?![a-z]+:)[^"]+)(?P<after>")')


def with_absolute_links(readme: str, repository: str, version: str) -> str:
    """Return the README with an absolute URL for each link to a file of the repository.

    :param repository: the URL of the repository, below which files are at ``blob/TAG/PATH`` and images at
        ``raw/TAG/PATH``.
    :param version: whose tag the links name, so that they show the files of this release.
    """

    def absolute(found: re.Match[str]) -> str:
        shown = "blob" if found["image"] is None else "raw"
        return f"{found['before']}{repository}/{shown}/v{version}/{found['path']}{found['after']}"

    for pattern in (_LINK, _SOURCE):
        readme = pattern.sub(absolute, readme)
    return readme


def relative_links(readme: str) -> Iterator[str]:
    """Yield the paths of the repository that the README links to."""
    for pattern in (_LINK, _SOURCE):
        for found in pattern.finditer(readme):
            yield found["path"]
