"""The outcome of credentials that nobody was asked about."""

from __future__ import annotations

from dataclasses import dataclass

from spacekey.domain.outcome import CannotTell


@dataclass(frozen=True, slots=True)
class Flooded(CannotTell):
    """Too many secrets from the same address were made up lately. Answered with 429 where a route is refused."""
