"""Data sets looked through before training."""
