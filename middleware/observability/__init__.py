"""Observability of a protected app: Prometheus metrics and OpenTelemetry."""
