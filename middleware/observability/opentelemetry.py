"""Spans and metrics for OpenTelemetry. Needs the ``otel`` extra, which is ``opentelemetry-api`` alone.

    telemetry = Telemetry()
    verifier = telemetry.verifier(RemoteVerifier(url, token, observer=telemetry))
    Middleware(TokenMiddleware, verifier=verifier, on_result=telemetry.result)

The app's SDK decides where they go; without an SDK nothing is recorded. Token ids are in spans, never in metrics;
secrets are in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from starlette.requests import HTTPConnection

from spacekey.domain.authentication import Authenticated, AuthenticationResult, Rejected, Unavailable, Verdict
from spacekey.domain.extras import extra
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import VerifiesSecrets

with extra("spacekey[otel]"):
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.trace import Span, Status, StatusCode, Tracer

from spacekey.middleware.usage.collector import UsageCollector
from spacekey.middleware.verifiers.wrapper import VerifierWrapper

from .metrics import READ_SECONDS, answer_of

__all__ = ["Telemetry"]

SCOPE = "spacekey"
"""Instrumentation scope of all spans and metrics."""
SPAN = "spacekey.verify"


class Telemetry:
    """Observes verifiers, limiters and ``TokenMiddleware(on_result=…)``, as ``AppMetrics`` does.

    :param tracer_provider: None for the global one, even if that is set later.
    :param meter_provider: the same.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        self._meter = meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
        self._verifications = meter.create_counter("spacekey.verifications", "{verification}", "Answers to credentials")
        self._lookups = meter.create_counter("spacekey.cache.lookups", "{lookup}", "Answers from memory or to be read")
        self._reads = meter.create_histogram(
            "spacekey.read.duration",
            "s",
            "Reads of the store or server",
            explicit_bucket_boundaries_advisory=READ_SECONDS,
        )
        self._staleness = meter.create_gauge(
            "spacekey.revocation_delay", "s", "Revocation delay, as the last good answer said"
        )
        self._decisions = meter.create_counter("spacekey.limit.decisions", "{charge}", "Charges against limits")
        self._fallback = meter.create_gauge("spacekey.limit.fallback", "1", "1 while Redis cannot be asked")

    def verifier(self, inner: VerifiesSecrets) -> TracedVerifier:
        """Return a verifier that adds a span to each verification of ``inner`` that has to be waited for."""
        return TracedVerifier(inner, self._tracer)

    def result(self, _connection: HTTPConnection, result: AuthenticationResult) -> None:
        """Count one result and record it on the current span. This is ``TokenMiddleware``'s ``on_result``."""
        name, reason = answer_of(result)
        self._verifications.add(1, {"result": name, "reason": reason})
        _describe(trace.get_current_span(), result)

    def hit(self) -> None:
        """Count a verdict from the cache."""
        self._lookups.add(1, {"result": "hit"})

    def miss(self) -> None:
        """Count a verdict that had to be read."""
        self._lookups.add(1, {"result": "miss"})

    def read(self, seconds: float, *, answered: bool, staleness_seconds: float | None) -> None:
        """Record a read, and T if it came with the answer."""
        self._reads.record(seconds, {"answered": answered})
        if staleness_seconds is not None:
            self._staleness.set(staleness_seconds)

    def limit_decision(self, allowed: bool) -> None:
        """Count one charge against a token's limit."""
        self._decisions.add(1, {"decision": "allowed" if allowed else "limited"})

    def limits_fall_back(self, fallen_back: bool) -> None:
        """Record that this process hands out its own share since Redis is unavailable, or uses Redis again."""
        self._fallback.set(int(fallen_back))

    def follow(self, usage: UsageCollector | None) -> None:
        """Report what waits in this collector, and what it has lost. Call it once: instruments cannot be removed."""
        if usage is None:
            return
        meter = self._meter
        meter.create_observable_gauge("spacekey.usage.waiting", [_asked(lambda: usage.waiting)], "{row}")
        meter.create_observable_gauge("spacekey.usage.lag", [_asked(lambda: usage.lag_seconds)], "s")
        meter.create_observable_counter("spacekey.usage.lost", [_asked(lambda: usage.lost)], "{request}")


class TracedVerifier(VerifierWrapper):
    """Wrapper around a verifier that makes a span of each verification and returns its verdict unchanged.

    ``peek`` makes none: it answers in less time than a span takes.
    """

    def __init__(self, inner: VerifiesSecrets, tracer: Tracer) -> None:
        super().__init__(inner)
        self._tracer = tracer

    async def verify(self, secret: Secret) -> Verdict:
        """Return the wrapped verifier's verdict, with a span around the verification."""
        # The exception's text stays out of the span: a driver may have put the secret into it.
        with self._tracer.start_as_current_span(SPAN, record_exception=False, set_status_on_exception=False) as span:
            known = self._known(secret)
            span.set_attribute("spacekey.cached", known is not None)
            try:
                verdict = await self.inner.verify(secret) if known is None else known
            except BaseException:
                _describe(span, Unavailable(""))
                span.set_status(Status(StatusCode.ERROR))
                raise
            _describe(span, verdict)
            if isinstance(verdict, Unavailable):
                span.set_status(Status(StatusCode.ERROR))
            return verdict

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Return the wrapped verifier's verdicts, with one span around all of them, which names no token."""
        with self._tracer.start_as_current_span(SPAN, record_exception=False, set_status_on_exception=False) as span:
            span.set_attribute("spacekey.tokens", len(secrets))
            try:
                verdicts = await self.inner.verify_many(secrets)
            except BaseException:
                span.set_status(Status(StatusCode.ERROR))
                raise
            if any(isinstance(verdict, Unavailable) for verdict in verdicts):
                span.set_status(Status(StatusCode.ERROR))
            return verdicts

    def _known(self, secret: Secret) -> Verdict | None:
        try:
            return self.peek(secret.bearer())
        except Exception:  # noqa: BLE001 - verify() is called instead, as without a span
            return None


def _describe(span: Span, result: AuthenticationResult) -> None:
    name, reason = answer_of(result)
    span.set_attribute("spacekey.result", name)
    if reason:
        span.set_attribute("spacekey.reason", reason)
    token_id = result.token_id if isinstance(result, Rejected) else None
    token_id = result.principal.id if isinstance(result, Authenticated) else token_id
    if token_id is not None:
        span.set_attribute("spacekey.token.id", token_id)


def _asked(ask: Callable[[], float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _options: [Observation(ask())]
