"""What an app enforces besides the limits of tokens' plans. It loads a flood's bound only where one is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit, Principal
from spacekey.middleware.argument_checks import check_not_async

from .limiter import Limiter

if TYPE_CHECKING:
    from .flood import RefusalFlood


@dataclass(frozen=True, slots=True)
class RateLimiting:
    """What ``TokenMiddleware(limits=…)`` enforces, where that is more than the limits of tokens' plans.

    :param limiter: charges each request with a valid token once; None charges none.
    :param limit: one limit for every caller of the app, people signed in by ``fallback_authenticator`` included,
        instead of the limit of each token's plan; for an API that is not what plans pay for. Or a plain function that
        returns the limit of a principal, or None for none, such as one that the app keeps in the token's ``metadata``;
        it is called for each request, and if it fails the plan's limit counts. Needs ``limiter``.
    :param flood: answers 429 to addresses that send too many made-up secrets, before these are looked up.
    :raises ConfigurationError: for a limit that nothing charges.
    """

    limiter: Limiter | None = None
    limit: Limit | Callable[[Principal], Limit | None] | None = None
    flood: RefusalFlood | None = None

    def __post_init__(self) -> None:
        if self.limiter is not None and not callable(getattr(self.limiter, "charge", None)):
            raise ConfigurationError(
                f"limits={self.limiter!r:.60}: write a limiter, such as MemoryLimiter(), which charges the limits of "
                "tokens' plans; RateLimiting(MemoryLimiter(), limit=Limit(…)) has one limit for all"
            )
        if isinstance(self.limiter, type):
            raise ConfigurationError(
                f"limits={self.limiter.__name__}: that is a class; write {self.limiter.__name__}(…)"
            )
        if self.limit is not None and self.limiter is None:
            raise ConfigurationError("limit: nothing charges it; give a limiter too, such as MemoryLimiter()")
        if self.limit is not None and not isinstance(self.limit, Limit):
            check_not_async("limit", self.limit)
