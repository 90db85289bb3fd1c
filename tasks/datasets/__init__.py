"""Data sets on disk as packed arrays."""
