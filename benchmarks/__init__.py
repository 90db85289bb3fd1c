"""Ours beside the field's own tools, in one process, after their outputs were found to be equal."""
