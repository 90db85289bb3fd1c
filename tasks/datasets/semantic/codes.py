"""Colours as numbers, red + 256 green + 65536 blue, and their labels.  C colours of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.images import Labels
from tasks.labels import Colour

Codes = NDArray[np.uint32]


@dataclass(frozen=True)
class CodeTable:
    """Labels of codes."""

    codes: Codes  # (C,) ascending
    labels: Labels  # (C,)

    def look_up(self, codes: Codes) -> tuple[Labels, NDArray[np.bool_]]:
        """Look up the labels of codes (H, W), and mark those that are not in the table.

        Every run of equal codes is looked up once, which takes an eighth of the time.
        """
        flat = codes.ravel()
        starts = np.flatnonzero(np.diff(flat, prepend=~flat[:1]))
        lengths = np.diff(starts, append=flat.size)
        runs = flat[starts]
        places = np.searchsorted(self.codes, runs)
        places[places == len(self.codes)] = 0
        labels = np.repeat(self.labels[places], lengths).reshape(codes.shape)
        unknown = np.repeat(self.codes[places] != runs, lengths).reshape(codes.shape)
        return labels, unknown


def code_table(codes: Sequence[int], labels: Sequence[int]) -> CodeTable:
    """Sort codes, at least one, with their labels."""
    order = np.argsort(np.array(codes, dtype=np.uint32))
    sorted_codes = np.array(codes, dtype=np.uint32)[order]
    return CodeTable(sorted_codes, np.array(labels, dtype=np.uint8)[order])


def colour_codes(pixels: NDArray[np.uint8]) -> Codes:
    """The codes (H, W) of colours (H, W, 3) or, without their alpha, (H, W, 4)."""
    codes = pixels[..., 2].astype(np.uint32)
    for channel in (1, 0):
        codes <<= 8
        codes |= pixels[..., channel]
    return codes


def colour_code(colour: Colour) -> int:
    """The code of a colour."""
    red, green, blue = colour
    return red | green << 8 | blue << 16


def colour_of(code: int) -> Colour:
    """The colour of a code."""
    return code & 255, code >> 8 & 255, code >> 16 & 255
