"""Usage of tokens: charged and counted for each request, collected in memory, reported in batches."""

from .collector import UsageCollector

__all__ = ["UsageCollector"]
