"""Results as scores."""
