"""Shared by the studies of residual learning: runs, tables, curves, claims and the page."""
