"""Operations of detectors."""
