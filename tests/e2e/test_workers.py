"""``spacekey serve`` with workers on PostgreSQL: one is killed, all are replaced, all are stopped, under load."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from spacekey.resolvers.throttle import Attempts
from spacekey.server.metrics import Metrics
from support.apps.jobs_requests import bearer
from support.databases import postgres_database
from support.people import Person, sign_in
from support.postgres import PostgresServer
from support.processes import OWNER_EMAIL, OWNER_PASSWORD, Installation, Process, serving_process
from support.programs.waiting import SECONDS_MAX, until

pytestmark = pytest.mark.long

WORKERS = 2
CLIENTS = 4
PAUSE_SECONDS = 0.02
"""Between a client's requests: a new worker has to find time to start beside them."""


@pytest.fixture(scope="module")
def installation(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A PostgreSQL with the demo in it."""
    with postgres_database(postgres) as url:
        extra = {
            "SPACEKEY_WORKERS": str(WORKERS),
            "SPACEKEY_API_PER_MINUTE": "1000000",
            "SPACEKEY_API_BURST": "1000000",
            "SPACEKEY_ANONYMOUS_CPU_MS_BURST": "60000",
        }
        made = Installation(url, tmp_path_factory.mktemp("workers"), extra=extra)
        made.command("demo")
        yield made


@contextmanager
def server(installation: Installation, name: str, **extra: str) -> Iterator[tuple[str, Process, Path]]:
    """A server with workers: its address, the parent, and the folder with its log."""
    folder = installation.folder / name
    own = replace(installation, folder=folder, extra={**installation.extra, **extra})
    with serving_process(own) as (url, process):
        until_ready(folder, int(own.extra["SPACEKEY_WORKERS"]))
        yield url, process, folder


def lines(folder: Path) -> list[dict[str, object]]:
    """What the parent and its workers logged."""
    text = "".join(file.read_text(errors="replace") for file in folder.glob("*.log"))
    return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]


def pids(folder: Path, words: str) -> list[int]:
    """The workers of which the parent said this, in order."""
    said = [str(line["message"]) for line in lines(folder) if words in str(line["message"])]
    return [int(match[1]) for match in (re.search(r"worker (\d+)", one) for one in said) if match]


def until_ready(folder: Path, count: int) -> None:
    """Wait until so many workers have begun to take requests, those included that have ended since."""
    until(lambda: len(pids(folder, "takes requests")) >= count)


def answering(folder: Path, route: str = "/api/v1/self") -> set[int]:
    """The processes that have answered a request of this route."""
    access = [line for line in lines(folder) if line["logger"] == "spacekey.access"]
    return {int(str(line["pid"])) for line in access if line["route"] == route}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Load:
    """Clients that ask again and again, half of them over new connections, until they are told to stop.

    503 is neither good nor bad: on a busy machine a verification may take longer than its deadline.
    """

    def __init__(self, url: str, secret: str) -> None:
        self.good = 0
        self.bad: list[str] = []
        self._url = url
        self._headers = bearer(secret)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = self.good + count
        until(lambda: self.good >= wanted)

    def _ask(self, reconnects: bool) -> None:
        client = httpx.Client(base_url=self._url, headers=self._headers, trust_env=False, timeout=SECONDS_MAX)
        with client:
            while not self._stop.is_set():
                try:
                    if reconnects:
                        fresh = {**self._headers, "Connection": "close"}
                        status = client.get("/api/v1/self", headers=fresh).status_code
                    else:
                        status = client.get("/api/v1/self").status_code
                    outcome = None if status == 200 else str(status)
                except httpx.HTTPError as error:
                    outcome = repr(error)
                with self._lock:
                    if outcome is None:
                        self.good += 1
                    elif outcome != "503":
                        self.bad.append(outcome)
                self._stop.wait(PAUSE_SECONDS)


def owner(url: str) -> Person:
    return sign_in(url, OWNER_EMAIL, OWNER_PASSWORD)


def a_token(url: str) -> tuple[str, str]:
    """A new token of the first workspace: id and secret."""
    with owner(url) as person:
        document = "{ workspaces(first: 10) { nodes { id product { name } } } }"
        nodes = person.ask(document)["workspaces"]["nodes"]
        home = next(one["id"] for one in nodes if one["product"]["name"] == "spooled")
        made = person.create_token(name="Load", grants=["jobs:read"], workspaceId=home)
        return made["token"]["id"], made["secret"]


def shown(url: str) -> dict[str, float]:
    """The server's metrics, over a new connection."""
    text = httpx.get(f"{url}/metrics", trust_env=False, timeout=SECONDS_MAX).text
    samples = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    assert len({name for name, _ in samples}) == len(samples), "a series comes twice"
    return {name: float(value) for name, value in samples}


SELF = 'spacekey_requests_total{method="GET",route="/api/v1/self",status="200"}'


def test_every_worker_answers_and_any_of_them_shows_what_all_have_counted(installation: Installation) -> None:
    with server(installation, "metrics") as (url, process, folder):
        _, secret = a_token(url)
        with Load(url, secret) as load:
            until(lambda: len(answering(folder)) == WORKERS)
        assert process.pid not in answering(folder)
        assert load.bad == []
        until(lambda: shown(url)[SELF] == load.good)  # a request is counted once its client has the answer
        wrong = []

        def all_have_shown() -> bool:
            asked = shown(url)
            wrong.extend([] if asked[SELF] == load.good else [asked[SELF]])
            return len(answering(folder, "/metrics")) == WORKERS

        until(all_have_shown)
        assert wrong == []
        asked = shown(url)
        assert asked['spacekey_limit_decisions_total{decision="allowed"}'] >= load.good
        assert asked["spacekey_read_seconds_count"] >= load.good
        single = {line.split()[2] for line in Metrics().text().splitlines() if line.startswith("# TYPE")}
        text = httpx.get(f"{url}/metrics", trust_env=False, timeout=SECONDS_MAX).text
        assert single <= {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def test_a_killed_worker_takes_its_own_requests_with_it_and_is_replaced(installation: Installation) -> None:
    with server(installation, "killed") as (url, process, folder):
        _, secret = a_token(url)
        with Load(url, secret) as load:
            load.more(20)
            victim = pids(folder, "takes requests")[0]
            os.kill(victim, signal.SIGKILL)
            until_ready(folder, WORKERS + 1)
            load.more(20)
        assert len(load.bad) <= CLIENTS, load.bad
        assert pids(folder, "was ended by SIGKILL") == [victim]
        replacement = pids(folder, "takes requests")[-1]
        with Load(url, secret) as more:
            until(lambda: replacement in answering(folder))
        assert more.bad == []
        good = load.good + more.good
        until(lambda: shown(url)[SELF] >= good)
        assert shown(url)[SELF] <= good + len(load.bad), "what the killed worker counted is kept, and not twice"
        assert process.poll() is None


def test_sighup_replaces_every_worker_and_loses_no_request(installation: Installation) -> None:
    with server(installation, "replaced") as (url, process, folder):
        token_id, secret = a_token(url)
        before = set(pids(folder, "takes requests"))
        with Load(url, secret) as load:
            load.more(20)
            process.send_signal(signal.SIGHUP)
            for number in range(1, WORKERS + 1):
                until_ready(folder, WORKERS + number)
            until(lambda: any("all workers are replaced" in str(line["message"]) for line in lines(folder)))
            load.more(20)
        assert load.bad == []
        assert not any(alive(pid) for pid in before)
        assert len(set(pids(folder, "takes requests")) - before) == WORKERS
        until(lambda: shown(url)[SELF] == load.good)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS_MAX) == 0
        assert not any(alive(pid) for pid in pids(folder, "takes requests"))
    with server(installation, "afterwards", SPACEKEY_WORKERS="2") as (url, _, _), owner(url) as person:
        document = "query T($id: ID!) { token(id: $id) { usage(days: 2) { allowed } } }"
        usage = person.ask(document, id=token_id)["token"]["usage"]
        assert sum(day["allowed"] for day in usage) == load.good, "every use is written, however often workers changed"


def test_a_worker_that_cannot_start_replaces_none(installation: Installation, tmp_path: Path) -> None:
    product = tmp_path / "spooled.toml"
    product.write_text((Path(__file__).parents[2] / "examples" / "spooled.toml").read_text())
    with server(installation, "kept", SPACEKEY_PRODUCTS=str(product), SPACEKEY_WORKERS="2") as (url, process, folder):
        before = set(pids(folder, "takes requests"))
        product.write_text("this is no product")
        process.send_signal(signal.SIGHUP)
        until(lambda: bool(pids(folder, "can't replace")))
        assert httpx.get(f"{url}/readyz", trust_env=False, timeout=SECONDS_MAX).status_code == 200
        assert all(alive(pid) for pid in before)
        assert process.poll() is None


def test_workers_whose_parent_is_killed_stop(installation: Installation) -> None:
    with server(installation, "orphans", SPACEKEY_WORKERS="2") as (_, process, folder):
        workers = pids(folder, "takes requests")
        process.kill()
        process.wait(SECONDS_MAX)
        until(lambda: not any(alive(pid) for pid in workers))


def test_no_more_guesses_pass_than_at_one_process(installation: Installation) -> None:
    with server(installation, "guesses") as (url, _, folder), ThreadPoolExecutor(8) as beside:
        query = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
        guess = {"email": "ada@example.com", "password": "not the password of ada"}

        def answer(_: int) -> str:
            while True:
                body = {"query": query, "variables": {"input": guess}}
                said = httpx.post(f"{url}/graphql", json=body, trust_env=False, timeout=SECONDS_MAX).json()
                if "errors" not in said:
                    return str(said["data"]["signIn"]["__typename"])
                assert said["errors"][0]["extensions"]["code"] == "UNAVAILABLE", said  # too many wait to be hashed
                time.sleep(0.2)

        began = time.monotonic()
        told = Counter(beside.map(answer, range(60)))
        passed = told["SignInFailed"]
        assert set(told) == {"SignInFailed", "TooManyAttempts"}
        attempts = Attempts()
        assert attempts._burst <= passed <= attempts._burst + (time.monotonic() - began) / attempts._interval
        assert len(answering(folder, "/graphql")) > 1, "one worker answered all, which shows nothing"


def test_workers_that_cannot_start_end_the_parent_with_the_reason(installation: Installation) -> None:
    broken = replace(installation, extra={**installation.extra, "SPACEKEY_REDIS_URL": "redis://127.0.0.1:1/0?hunter=2"})
    done = broken.run("serve", "--port", "0", "--workers", "2")
    assert done.returncode == 2
    assert "SPACEKEY_REDIS_URL" in done.stderr
    assert "listens" not in done.stderr
    assert "Traceback" not in done.stderr


def test_sqlite_takes_one_worker(tmp_path: Path) -> None:
    done = Installation(f"sqlite:///{tmp_path}/x.db", tmp_path).run("serve", "--port", "0", "--workers", "2")
    assert done.returncode == 2
    assert "SPACEKEY_WORKERS: SQLite is written by one process at a time" in done.stderr
    assert not (tmp_path / "x.db").exists()
