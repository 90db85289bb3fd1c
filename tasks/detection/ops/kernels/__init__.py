"""Routes of the operations."""
