"""Weights that come with the library: files, their list and cards, and what reads and adds them."""
