"""An sdist whose bytes depend on its contents only."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

EXECUTABLE, PLAIN, FOLDER = 0o755, 0o644, 0o755


def normalize(sdist: Path, moment: int) -> None:
    """Write an sdist once more, in one order, with one time and owner.

    Setuptools keeps the times, owners and modes of the files that it packs, and gzip notes the time of packing.

    :param moment: the time of every member, in seconds since 1970.
    """
    packed = io.BytesIO()
    with tarfile.open(sdist, "r:gz") as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.linkname, plain.size, plain.mtime = member.type, member.linkname, member.size, moment
            plain.mode = FOLDER if member.isdir() else EXECUTABLE if member.mode & 0o100 else PLAIN
            new.addfile(plain, old.extractfile(member) if member.isreg() else None)
    with sdist.open("wb") as file, gzip.GzipFile("", "wb", mtime=moment, fileobj=file) as stream:
        stream.write(packed.getvalue())
