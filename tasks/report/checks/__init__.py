"""Page of a data check."""
