"""As much of ``curl`` as the docs use, for machines without it.

A status of 400 or more is a failure, except with -i; so are GraphQL errors in an answer of 200, except where
``CURL_EXPECTS_ERRORS`` is set. Understands -s, -i, -X METHOD, -H HEADER, -b COOKIE, -d DATA, and one URL.
"""

from __future__ import annotations

import os
import sys

import httpx

EXPECTS_ERRORS = "CURL_EXPECTS_ERRORS"
FAILED = 22
"""What the real one ends with for an error's status, with ``--fail``."""


def main(arguments: list[str]) -> int:
    """Send one request and print the answer."""
    method, headers, data, url, with_head = None, {}, None, "", False
    waiting = iter(arguments)
    for argument in waiting:
        match argument:
            case "-s":
                pass
            case "-i":
                with_head = True
            case "-X":
                method = next(waiting)
            case "-b":
                headers["Cookie"] = next(waiting)
            case "-H":
                name, _, value = next(waiting).partition(":")
                headers[name] = value.strip()
            case "-d":
                data = next(waiting)
            case _ if argument.startswith("-") or url:
                sys.stderr.write(f"this curl does not know {argument}\n")
                return 2
            case _:
                url = argument
    if data is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/x-www-form-urlencoded"  # as the real one does
    answer = httpx.request(
        method or ("GET" if data is None else "POST"), url, headers=headers, content=data, trust_env=False, timeout=120
    )
    if with_head:
        lines = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        sys.stdout.write("\n".join(lines) + "\n\n")
    sys.stdout.write(answer.text + "\n")
    if with_head:
        return 0
    return FAILED if answer.status_code >= 400 or _has_unexpected_errors(answer) else 0


def _has_unexpected_errors(answer: httpx.Response) -> bool:
    """Return whether it is a GraphQL answer with unexpected ``errors``."""
    if EXPECTS_ERRORS in os.environ or "json" not in answer.headers.get("Content-Type", ""):
        return False
    document = answer.json()
    return isinstance(document, dict) and "errors" in document


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
