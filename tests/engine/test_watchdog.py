"""A process that does not stop when it is asked to is ended."""
