"""Verification by a remote Spacekey: OAuth 2.0 token introspection (RFC 7662) over httpx.

Needs the ``remote`` extra. The server's ``max_age`` is obeyed up to 60 seconds, counted from before the request was
sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable, Verdict
from spacekey.domain.clock import MonotonicClock, WallClock, boot_clock, utc_now
from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable, SpacekeyError
from spacekey.domain.extras import extra
from spacekey.domain.key_format import KeyFormat, KeyFormats
from spacekey.domain.metadata import written_metadata
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.secret import Secret
from spacekey.domain.usage import TokenUse, UsageBatch
from spacekey.domain.verifier import CONCURRENT_MAX, TIMEOUT_SECONDS, Verifier
from spacekey.middleware.argument_checks import check_environment, check_own_token, check_seconds
from spacekey.middleware.auth.client import required_environment, sender, sender_fields
from spacekey.middleware.usage.collector import UsageCollector

from .cached import ENTRIES_MAX, Reading, VerifierObserver, cache_over

with extra("spacekey[remote]"):
    import httpx


log = logging.getLogger("spacekey.middleware")

ANSWER_BYTES_MAX = 65_536
BATCH_MAX = 1_000
"""How many tokens the remote Spacekey takes in one request."""
BATCH_ANSWER_BYTES_MAX = 16_777_216
BATCH_FORGOTTEN_SECONDS = 60.0
"""How long a remote Spacekey without batches is not asked for one again."""
COALESCE_SECONDS = 0.005
"""The longest that a question waits for the request that is under way, to be sent together with others."""
_RETRY_AFTER_SECONDS_MAX = 60


class RemoteVerifier(Verifier):
    """Verifies with ``{url}/api/v1/introspect``, and caches verdicts for as long as the server allows.

    Connections are kept open. Questions that come up while a request is under way are sent together when it has been
    answered, or after 5 ms; a single question never waits.

    :param url: the remote Spacekey, ``https://…``; plain ``http`` only to this machine unless ``allow_plain_http``.
    :param token: this app's own token, which needs the scope ``tokens:introspect``.
    :param environment: this app's environment, ``live`` or ``test``. Tokens of another one are refused, and the remote
        Spacekey tells their owner, which ``TokenMiddleware(environment=…)`` alone cannot. None accepts all.
    :param timeout: seconds that one verification may take, a retry included; after that it is ``Unavailable``.
    :param entries_max: how many principals are cached.
    :param collect_usage: whether ``TokenMiddleware`` counts requests and reports them to the remote Spacekey in batches
        (``usage``). Closing the verifier sends the last one.
    :param observer: records hits, misses and reads, such as ``AppMetrics``; see docs/how-to/metrics.md.
    :param key_formats: the formats of keys that were imported into the remote Spacekey, as its product files declare
        them. Strings of other formats are refused without asking it.
    :param allow_plain_http: whether secrets may be sent to another machine in the clear.
    :param transport: an httpx transport, for tests and for servers in the same process.
    :param clock: seconds, monotonic through suspension.
    :param now: wall time, for expiry and usage.
    :raises ConfigurationError: for a URL that is malformed or would send secrets in the clear, and for a malformed
        token, an unknown environment or an invalid deadline.
    """

    def __init__(
        self,
        url: str,
        token: Secret | str,
        *,
        environment: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        entries_max: int = ENTRIES_MAX,
        collect_usage: bool = True,
        observer: VerifierObserver | None = None,
        key_formats: Iterable[KeyFormat] = (),
        allow_plain_http: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: MonotonicClock = boot_clock,
        now: WallClock = utc_now,
    ) -> None:
        own = token if isinstance(token, Secret) else Secret(token)
        check_own_token(own.reveal())
        check_environment(environment)
        check_seconds("timeout", timeout)
        api = _api(url, allow_plain_http)
        self._url = f"{api}/introspect"
        self._timeout = timeout
        self._environment = environment
        self._clock = clock
        self._cache = cache_over(
            self._read,
            observer,
            clock=clock,
            now=now,
            entries_max=entries_max,
            read_many=self._read_many,
            batch_max=BATCH_MAX,
            key_formats=KeyFormats(key_formats),
        )
        self.key_formats = self._cache.key_formats
        self.batch_max = BATCH_MAX
        self._held = _HeldAnswers(2 * entries_max)
        self._no_batches_until = -math.inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[_Question] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._patience: asyncio.TimerHandle | None = None
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {own.reveal()}", "Accept": "application/json"},
            timeout=timeout,
            transport=transport,
            trust_env=False,  # a .netrc or proxy variable must not redirect secrets
        )
        reports = RemoteUsage(self._client, f"{api}/usage")
        self.usage: UsageCollector | None = (
            UsageCollector(reports, now=None if now is utc_now else now) if collect_usage else None
        )

    peek_checks_form = True  # as its cache does

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return the verdict that the remote Spacekey gave less than its ``max_age`` ago; None if it must be asked."""
        return self._cache.peek(authorization)

    async def verify(self, secret: Secret) -> Verdict:
        """Return the remote Spacekey's verdict, which may be up to its ``max_age`` old."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._cache.verify(secret)
        except TimeoutError:
            return Unavailable("introspection took too long")

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Return the remote Spacekey's verdicts, from one request for those that are not cached."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._cache.verify_many(secrets)
        except TimeoutError:
            return [Unavailable("introspection took too long")] * len(secrets)

    async def aclose(self) -> None:
        """Report the remaining usage, and close the connections."""
        if self._patience is not None:
            self._patience.cancel()
        for task in list(self._under_way):
            task.cancel()
        await close_in_turn(
            self._end_what_is_under_way,
            *(() if self.usage is None else (self.usage.aclose,)),
            self._cache.aclose,
            self._client.aclose,
        )

    async def _end_what_is_under_way(self) -> None:
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _read(self, secret: Secret) -> Reading:
        """Introspect one token, alone or together with others that are asked about at the same time.

        The request tells who sent the token, for its owner. If several callers wait for one answer, it is the first of
        them.

        :raises ServiceUnavailable: if there is no usable answer.
        """
        if self._client.is_closed:
            raise ServiceUnavailable(CLOSED)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # nothing that was under way in another one can be waited for here
            self._loop, self._waiting, self._under_way, self._patience = loop, [], set(), None
        question = _Question(secret, self._facts(), loop.create_future())
        self._waiting.append(question)
        if not self._under_way:
            self._send_waiting()
        elif self._patience is None:
            self._patience = loop.call_later(COALESCE_SECONDS, self._send_waiting)
        return await question.answer

    def _facts(self) -> dict[str, str]:
        """Return the fields that go with a token: who sent it, and what the app requires of it."""
        facts = sender_fields(sender())
        held_to = required_environment()
        return facts if held_to is None else facts | {"used_in": held_to}

    def _send_waiting(self) -> None:
        """Send the questions that wait: one alone as a single introspection, more as a batch."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        while self._waiting:
            questions, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            questions = [each for each in questions if not each.answer.done()]
            if questions:
                task = asyncio.get_running_loop().create_task(self._answer(questions))
                self._under_way.add(task)
                task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and self._waiting:
            self._send_waiting()

    async def _answer(self, questions: list[_Question]) -> None:
        """Ask, and give each question its answer. Nothing is left without one."""
        readings: list[Reading | ServiceUnavailable]
        try:
            if len(questions) == 1:
                readings = [await self._ask_one(questions[0].secret, questions[0].facts)]
            else:
                readings = await self._ask_many(questions)
        except asyncio.CancelledError:
            for question in questions:
                question.give(ServiceUnavailable(CLOSED))
            raise
        except Exception as error:  # noqa: BLE001 - the callers wait for an answer
            log.error("introspection failed with %s", type(error).__name__)
            readings = [ServiceUnavailable(f"introspection failed with {type(error).__name__}")] * len(questions)
        for question, reading in zip(questions, readings, strict=True):
            question.give(reading)

    async def _read_many(self, secrets: Sequence[Secret]) -> list[Reading]:
        if self._client.is_closed:
            return [_cannot_tell(ServiceUnavailable(CLOSED))] * len(secrets)
        facts = self._facts()
        loop = asyncio.get_running_loop()
        questions = [_Question(secret, facts, loop.create_future(), presented=False) for secret in secrets]
        readings: list[Reading] = []
        for first in range(0, len(questions), BATCH_MAX):
            found = await self._ask_many(questions[first : first + BATCH_MAX])
            readings += [each if isinstance(each, Reading) else _cannot_tell(each) for each in found]
        return readings

    async def _ask_one(self, secret: Secret, facts: dict[str, str]) -> Reading | ServiceUnavailable:
        form = {"token": secret.reveal(), "token_type_hint": "access_token", **facts}
        if self._environment is not None:
            form["environment"] = self._environment
        try:
            status, headers, body = await self._posted(self._url, ANSWER_BYTES_MAX, data=form)
            return self._usable(status, headers, body)
        except ServiceUnavailable as error:
            return error

    async def _ask_many(self, questions: Sequence[_Question]) -> list[Reading | ServiceUnavailable]:
        """Ask about many tokens by one request; one by one if the remote Spacekey is of a version without batches."""
        if self._clock() < self._no_batches_until:
            return await self._ask_each(questions)
        held = [self._held.get(question.secret) for question in questions]
        rows = [
            question.row(None if has is None else has.version) for question, has in zip(questions, held, strict=True)
        ]
        body: dict[str, object] = {"tokens": rows}
        if self._environment is not None:
            body["environment"] = self._environment
        try:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            status, headers, answer = await self._posted(
                f"{self._url}/batch",
                BATCH_ANSWER_BYTES_MAX,
                content=content,
                headers={"Content-Type": "application/json"},
            )
            if status in _NO_BATCH:
                if status in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
                    log.info("the remote Spacekey has no batch introspection: tokens are asked about one by one")
                    self._no_batches_until = self._clock() + BATCH_FORGOTTEN_SECONDS
                return await self._ask_each(questions)
            results = self._usable_batch(status, headers, answer, len(questions))
        except ServiceUnavailable as error:
            return [error] * len(questions)
        readings: list[Reading | ServiceUnavailable] = []
        for question, has, result in zip(questions, held, results, strict=True):
            readings.append(self._of_result(question.secret, has, result))
        return readings

    async def _ask_each(self, questions: Sequence[_Question]) -> list[Reading | ServiceUnavailable]:
        readings: list[Reading | ServiceUnavailable] = []
        for first in range(0, len(questions), CONCURRENT_MAX):
            some = questions[first : first + CONCURRENT_MAX]
            readings += await asyncio.gather(*(self._ask_one(each.secret, each.facts) for each in some))
        return readings

    def _of_result(self, secret: Secret, has: _Held | None, result: object) -> Reading | ServiceUnavailable:
        """Return the reading of one result of a batch."""
        if result == UNCHANGED:
            return ServiceUnavailable("introspection answered with garbage") if has is None else has.reading
        if not isinstance(result, dict):
            return ServiceUnavailable("introspection answered with garbage")
        if "error" in result:
            wait = result.get("retry_after")
            seconds = min(max(wait, 1), _RETRY_AFTER_SECONDS_MAX) if type(wait) is int else 1
            return ServiceUnavailable("introspection cannot tell about this token", seconds)
        try:
            reading = reading_of(result)
        except ValueError:
            log.error("introspection answered with garbage about a token")
            return ServiceUnavailable("introspection answered with garbage")
        version = result.get("version")
        if isinstance(reading.verdict, Authenticated) and isinstance(version, str):
            self._held.keep(secret, _Held(version, reading))
        else:
            self._held.drop(secret)
        return reading

    def _usable(self, status: int, headers: httpx.Headers, body: bytes) -> Reading:
        self._check_status(status, headers)
        return _parsed(body)

    def _usable_batch(self, status: int, headers: httpx.Headers, body: bytes, count: int) -> list[object]:
        self._check_status(status, headers)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        results = answer.get("results") if isinstance(answer, dict) else None
        if isinstance(results, list) and len(results) == count:
            return results
        log.error("batch introspection answered with garbage")
        raise ServiceUnavailable("introspection answered with garbage")

    def _check_status(self, status: int, headers: httpx.Headers) -> None:
        """Refuse every answer that is not 200.

        :raises ServiceUnavailable: for all others.
        """
        if status == httpx.codes.OK:
            return
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            log.error("introspection refused this app's own token (%d); it needs the scope tokens:introspect", status)
        raise ServiceUnavailable(f"introspection answered {status}", _retry_after_seconds(headers))

    async def _posted(self, url: str, bytes_max: int, **body: Any) -> tuple[int, httpx.Headers, bytes]:
        """Post within the deadline. This changes nothing, so after a broken connection it is tried once more.

        :raises ServiceUnavailable: if there is no answer.
        """
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._post(url, bytes_max, **body)
                except (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                    return await self._post(url, bytes_max, **body)
        except TimeoutError:
            raise ServiceUnavailable("introspection took too long") from None
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"introspection failed with {type(error).__name__}") from None

    async def _post(self, url: str, bytes_max: int, **content: Any) -> tuple[int, httpx.Headers, bytes]:
        async with self._client.stream("POST", url, **content) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > bytes_max:
                    raise ServiceUnavailable("introspection answered with too much")
            return response.status_code, response.headers, bytes(body)


CLOSED = "the verifier was closed"

_NO_BATCH = frozenset((400, 404, 405, 413, 415, 422))
"""Answers to a batch after which its tokens are asked about one by one, so that one of them cannot fail the others."""

UNCHANGED = {"active": True, "unchanged": True}
"""The result of a batch about a token whose answer is the one whose version was sent."""


@dataclass(frozen=True, slots=True)
class _Question:
    """One token that is asked about, with the fields that go with it.

    :param presented: whether a client has just sent it.
    """

    secret: Secret
    facts: dict[str, str]
    answer: asyncio.Future[Reading]
    presented: bool = True

    def row(self, version: str | None) -> dict[str, object]:
        """Return it as a batch has it, with the version of the answer that is held."""
        row: dict[str, object] = {"token": self.secret.reveal(), **self.facts}
        if version is not None:
            row["version"] = version
        if not self.presented:
            row["presented"] = False
        return row

    def give(self, reading: Reading | ServiceUnavailable) -> None:
        """Answer, unless the caller does not wait any more."""
        if self.answer.done():
            return
        if isinstance(reading, ServiceUnavailable):
            self.answer.set_exception(reading)
        else:
            self.answer.set_result(reading)


@dataclass(frozen=True, slots=True)
class _Held:
    """The last answer about a token, and its version."""

    version: str
    reading: Reading


class _HeldAnswers:
    """The answers whose versions are sent, the most recently used ones, by the secrets' digests."""

    def __init__(self, most: int) -> None:
        self._answers: OrderedDict[bytes, _Held] = OrderedDict()
        self._most = most

    def get(self, secret: Secret) -> _Held | None:
        """Return what is held for the secret."""
        return self._answers.get(secret.digest())

    def keep(self, secret: Secret, held: _Held) -> None:
        """Hold an answer; the one held longest goes if there are too many."""
        self._answers[secret.digest()] = held
        self._answers.move_to_end(secret.digest())
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def drop(self, secret: Secret) -> None:
        """Forget what is held for the secret."""
        self._answers.pop(secret.digest(), None)


def _cannot_tell(error: ServiceUnavailable) -> Reading:
    return Reading(Unavailable(str(error), error.retry_after_seconds))


def _parsed(body: bytes) -> Reading:
    try:
        return reading_of(json.loads(body))
    except (ValueError, RecursionError):
        log.exception("introspection answered with garbage")
        raise ServiceUnavailable("introspection answered with garbage") from None


def _retry_after_seconds(headers: httpx.Headers) -> int:
    """Return the server's ``Retry-After`` in seconds (RFC 9110 §10.2.3), bounded; its date form counts as 1."""
    text = headers.get("retry-after", "")
    return min(max(int(text), 1), _RETRY_AFTER_SECONDS_MAX) if text.isascii() and text.isdigit() else 1


def _api(url: str, allow_plain_http: bool) -> str:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ConfigurationError("url: write the remote Spacekey's address, such as 'https://keys.example.com'")
    if parts.path.rstrip("/").endswith("/api/v1"):
        raise ConfigurationError("url: write it without '/api/v1', which is added")
    if parts.scheme == "http" and not allow_plain_http and not _is_this_machine(parts.hostname):
        raise ConfigurationError("url: tokens would travel in the clear; use https, or set allow_plain_http=True")
    return url.rstrip("/") + "/api/v1"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


MAX_AGE_SECONDS_MAX = 60.0


def reading_of(answer: object) -> Reading:
    """Return the verdict of an answer, and how long it may be relied on.

    :raises ValueError: if Spacekey does not give such an answer; the text contains none of it.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
        raise ValueError("no boolean 'active'")
    if not answer["active"]:
        return Reading(Rejected(Reason.UNKNOWN))
    max_age = _number(answer, "max_age", 0.0)
    return Reading(Authenticated(_principal(answer)), min(max_age, MAX_AGE_SECONDS_MAX))


def _principal(answer: dict[str, Any]) -> Principal:
    kind = Kind(_text(answer, "kind"))
    scope = answer.get("scope", "")
    if not isinstance(scope, str):
        raise ValueError("'scope' is not a string")
    principal = Principal(
        id=_text(answer, "sub"),
        kind=kind,
        scopes=frozenset(scope.split()),
        name=_optional_text(answer, "name") or "",
        workspace_id=_optional_text(answer, "workspace_id"),
        space_id=_optional_text(answer, "space_id"),
        environment=_optional_text(answer, "environment"),
        rate_limit=_limit(answer.get("rate_limit")),
        expires_at=_end(answer),
        rate_limit_key=_optional_text(answer, "rate_limit_key") or "",
        external_id=_optional_text(answer, "external_id"),
        metadata=_metadata(answer.get("metadata")),
    )
    if (principal.space_id is None) == (kind is Kind.SPACE):
        raise ValueError("'kind' and 'space_id' contradict each other")
    return principal


def _end(answer: dict[str, Any]) -> datetime | None:
    """Return the expiry date: Spacekey's own member is exact, RFC 7662's is in whole seconds."""
    text, seconds = _optional_text(answer, "expires_at"), _number(answer, "exp", None)
    if text is None:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("'expires_at' has no time zone")
    return moment.astimezone(UTC)


def _metadata(value: object) -> str | None:
    """Return metadata as JSON text, which a principal parses when it is read."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("'metadata' is not an object")
    try:
        return written_metadata(value)
    except RecursionError:
        raise ValueError("'metadata' is nested too deeply") from None


def _limit(value: object) -> Limit | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("'limit' is not an object")
    numbers = [value.get(name) for name in ("per_minute", "burst")]
    if not all(type(number) is int and number > 0 for number in numbers):
        raise ValueError("'limit' lacks whole positive numbers")
    return Limit(per_minute=value["per_minute"], burst=value["burst"])


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"'{name}' is not a string with something in it")
    return value


def _optional_text(answer: dict[str, Any], name: str) -> str | None:
    return None if answer.get(name) is None else _text(answer, name)


def _number(answer: dict[str, Any], name: str, default: Any) -> Any:
    value = answer.get(name)
    if value is None:
        return default
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value < 1e11:
        raise ValueError(f"'{name}' is not a sensible number")
    return value


usage_log = logging.getLogger("spacekey.usage")

REPORT_SECONDS = 10.0
ANSWER_SHOWN_MAX = 300
_AGAIN = frozenset((401, 403, 408, 425, 429))
"""Refusals that may pass: of this app's own token, which its operator can fix, and temporary ones."""


class UsageRejected(SpacekeyError):
    """Error for a batch that the remote Spacekey will never accept."""


class RemoteUsage:
    """Posts batches with a client that its caller opens and closes.

    :param client: carries this app's own token, which needs ``tokens:introspect``.
    :param url: the endpoint's URL.
    """

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    async def send(self, batch: UsageBatch) -> int:
        """Report a batch. Reporter and number make it safe to send again after a lost answer.

        :returns: how many requests the server left out because they are too old.
        :raises ServiceUnavailable: for no answer, or one that may change later.
        :raises UsageRejected: if the server does not accept it.
        """
        report = {
            "reporter": batch.reporter,
            "number": batch.number,
            "uses": [_row(use) for use in batch.uses],
        }
        try:
            answer = await self._client.post(self._url, json=report, timeout=REPORT_SECONDS)
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"the report failed with {type(error).__name__}") from None
        if answer.status_code == httpx.codes.OK:
            return _left_out(answer)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            usage_log.error("usage refused this app's own token (%d); it needs tokens:introspect", answer.status_code)
        if answer.status_code >= 500 or answer.status_code in _AGAIN:
            raise ServiceUnavailable(f"the report was answered {answer.status_code}")
        raise UsageRejected(f"the report was answered {answer.status_code}: {_detail(answer)}")

    async def aclose(self) -> None:
        """Do nothing: the client belongs to the caller."""


def _row(use: TokenUse) -> dict[str, Any]:
    row: dict[str, Any] = {"token_id": use.token_id, "at": use.at.isoformat(), "ip": use.ip}
    counts = {"allowed": use.allowed, "denied": use.denied, "rate_limited": use.limited}
    row |= {name: count for name, count in counts.items() if count}
    if use.scopes:
        row["scopes"] = list(use.scopes)
    return row if use.used else row | {"used": False}


def _left_out(answer: httpx.Response) -> int:
    count = (_object(answer) or {}).get("requests_too_old")
    return count if type(count) is int and count > 0 else 0


def _detail(answer: httpx.Response) -> str:
    problem = _object(answer)
    return "no problem document" if problem is None else str(problem.get("detail", ""))[:ANSWER_SHOWN_MAX]


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        value = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
