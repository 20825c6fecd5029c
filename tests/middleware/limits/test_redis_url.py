"""A Redis URL that cannot be is refused when the limiter is made, without showing what may be a password in it."""

from __future__ import annotations

import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.middleware.limits.redis import RedisLimiter, check_redis_url

WRONG = {
    "": "redis://host:6379/0",
    "localhost:6379": "redis://host:6379/0",
    "http://host": "redis://host:6379/0",
    "redis://": "host",
    "redis:///0": "host",
    "rediss://:hunter2@": "host",
    "redis://:hunter2@/1": "host",
    "redis://host:port": "host",
    "redis://host:99999": "port",
    "redis://host:0": "port",
    "redis://[::1": "redis://host:6379/0",
    "redis://:hun/ter2@host": "host",
    "redis://127.0.0.1:1/xyz": "database",
    "redis://host/-1": "database",
    "redis://host/1_0": "database",
    "redis://host/\u0661": "database",
    "redis://host/0/hunter2": "database",
    "redis://host/0#hunter2": "#",
    "unix://": "path",
    "unix:///": "path",
    "unix://run/redis.sock": "unix:///",
}


@pytest.mark.parametrize("url", WRONG)
def test_a_url_that_cannot_be_says_why_and_shows_nothing_of_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_redis_url(url)
    assert WRONG[url] in str(caught.value)
    assert "hun" not in str(caught.value)
    with pytest.raises(ConfigurationError):
        RedisLimiter(url)


@pytest.mark.parametrize("option", ["hunter=2", "db=x", "protocol=9", "retry=1", "socket_timeout=soon"])
def test_an_option_the_client_does_not_know_is_refused_at_once_and_not_at_the_first_charge(option: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the Redis URL: .*option") as caught:
        RedisLimiter(f"redis://host?{option}")
    assert "hunter" not in str(caught.value)
    assert caught.value.__suppress_context__  # whose words would show it in a traceback


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://host/",
        "redis://host:6379/15",
        "redis://:hunter2@host:6379/0",
        "redis://name:hunter2@[::1]:6379/0",
        "rediss://host/0?ssl_cert_reqs=required",
        "unix:///run/redis.sock?db=1",
        "unix://:hunter2@/run/redis.sock",
    ],
)
def test_a_good_url_is_taken(url: str) -> None:
    check_redis_url(url)
    assert not RedisLimiter(url).falls_back
