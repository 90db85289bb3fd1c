"""What the studies of residual learning share: their runs, tables, curves, claims and page."""
