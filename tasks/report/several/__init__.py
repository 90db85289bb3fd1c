"""Several runs in one table, and on one page."""
