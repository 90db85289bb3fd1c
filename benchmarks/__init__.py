"""Benchmarks against the field's own tools: in one process, after the outputs were found equal."""
