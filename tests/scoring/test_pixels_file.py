"""pixels.npz: a flipped bit is noticed, or what is read is what was written (fault_campaign A1)."""

import pickle
import random
from pathlib import Path

from labelled import ROAD, labels

from resnet_backbones.errors import UserError
from tasks.scoring.pixels_file import PIXELS, read_results, write_results
from tasks.scoring.semantic_results import SemanticTally

FLIPS = 50


def told(folder: Path) -> bytes | None:
    """All that is read of a folder's file; None where it is refused."""
    try:
        return pickle.dumps(read_results(folder))
    except UserError as error:
        return None if "it is damaged" in str(error) else b"another refusal"


def test_single_flipped_bits(tmp_path: Path) -> None:
    tally = SemanticTally(4)
    for image, guess in enumerate(("0111", "1011", "0011")):
        tally.add(image + 1, labels("0011"), labels(guess))
    path = write_results(tmp_path, tally.results(), ROAD, lambda index: f"{index}.jpg")
    whole = path.read_bytes()
    expected = told(tmp_path)
    draw = random.Random(0)
    noticed = 0
    for _ in range(FLIPS):
        content = bytearray(whole)
        place = draw.randrange(len(whole))
        content[place] ^= 1 << draw.randrange(8)
        (tmp_path / PIXELS).write_bytes(content)
        found = told(tmp_path)
        noticed += found is None
        assert found in (None, expected), f"byte {place} of {len(whole)}"
    assert noticed > FLIPS / 4
