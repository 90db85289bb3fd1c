"""Check data sets before training."""
