"""What an app enforces besides the limits of tokens' plans. It loads a flood's bound only where one is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit

from .limiter import Limiter

if TYPE_CHECKING:
    from .flood import RefusalFlood


@dataclass(frozen=True, slots=True)
class RateLimiting:
    """What ``TokenMiddleware(limits=…)`` enforces, where that is more than the limits of tokens' plans.

    :param limiter: charges each request with a valid token once; None charges none.
    :param limit: one limit for every caller of the app, people signed in by ``fallback_authenticator`` included,
        instead of the limit of each token's plan; for an API that is not what plans pay for. Needs ``limiter``.
    :param flood: answers 429 to addresses that send too many made-up secrets, before these are looked up.
    :raises ConfigurationError: for a limit that nothing charges.
    """

    limiter: Limiter | None = None
    limit: Limit | None = None
    flood: RefusalFlood | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limiter is None:
            raise ConfigurationError("limit: nothing charges it; give a limiter too, such as MemoryLimiter()")
