"""The README's snippets of views run as they are printed."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[3] / "README.md"
SNIPPETS = [
    block
    for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    if "interop." in block
]


@pytest.mark.parametrize(
    "snippet", SNIPPETS, ids=lambda snippet: re.findall(r"interop\.(\w+)", snippet)[0]
)
def test_snippet_runs(snippet: str) -> None:
    for library in re.findall(
        r"^(?:from|import) (segmentation_models_pytorch|detectron2|mmengine|transformers)",
        snippet,
        re.M,
    ):
        pytest.importorskip(library, reason=f"needs {library}")
    exec(compile(snippet, str(README), "exec"), {})
