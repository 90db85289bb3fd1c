"""Operations on boxes and features; each takes the fastest of its equal routes."""
