"""The snippets of docs/interop.md run as they are printed, wherever their libraries are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NEEDS = {"interop.onnx": "onnxscript"}


def blocks(page: Path) -> list[str]:
    """The Python of a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


SNIPPETS = blocks(ROOT / "docs" / "interop.md")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet_runs(snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = re.findall(
        r"^(?:from|import) (segmentation_models_pytorch|detectron2|mmengine|transformers)",
        snippet,
        re.M,
    )
    libraries += [library for text, library in NEEDS.items() if text in snippet]
    for library in libraries:
        pytest.importorskip(library, reason=f"needs {library}")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "snippet", "exec"), {})
