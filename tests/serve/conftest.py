from collections.abc import Iterator

import pytest
from served_page import serving

from tasks.serve.server import PageServer


@pytest.fixture
def detector() -> Iterator[PageServer]:
    """A page of detections."""
    with serving("detection") as server:
        yield server
