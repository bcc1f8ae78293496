"""Spans and metrics for OpenTelemetry, imported only where a collector is set."""
