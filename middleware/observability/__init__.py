"""What a protected app tells of its tokens: Prometheus metrics and OpenTelemetry."""
