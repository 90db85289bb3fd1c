"""Curves of a run leave nothing behind."""

import gc
from pathlib import Path

from tasks.engine.curves import draw_curves


def test_a_picture_leaves_no_pixels_in_memory(tmp_path: Path) -> None:
    """A training's memory grew by 10 MB an evaluation until Python collected the figures."""
    from matplotlib.backends.backend_agg import RendererAgg

    gc.disable()  # what is left is not collected by chance
    try:
        draw_curves([{"step": step, "loss": 1 / step} for step in range(1, 9)], tmp_path / "c.png")
        left = [1 for one in gc.get_objects() if type(one) is RendererAgg]
    finally:
        gc.enable()
    assert (tmp_path / "c.png").is_file()
    assert left == []
