from __future__ import annotations

import pytest

from tasks.detection.ops import routes


@pytest.fixture
def gpu_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations on CPU tensors take the routes of a GPU."""
    monkeypatch.setattr(routes, "takes_gpu_route", lambda tensor: True)


@pytest.fixture(params=["cpu routes", "gpu routes"])
def either_route(request: pytest.FixtureRequest) -> None:
    """Operations take the routes of a CPU, and then those of a GPU."""
    if request.param == "gpu routes":
        request.getfixturevalue("gpu_routes")
