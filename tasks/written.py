"""Write numbers for people: scores in percent, times in words."""

import math


def score_text(value: float) -> str:
    """Write a score, a share of 1 in code and files, as 44.45 %, or n/a for nan."""
    return "n/a" if math.isnan(value) else f"{100 * value:.2f} %"


def duration(seconds: float) -> str:
    """Write a time as 45 s, 12 min or 3 h 5 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
