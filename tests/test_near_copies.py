"""No function is nearly another one in a different folder: what two tasks need moves down a floor.

A function is the sequence of its tokens, without docstring and comments, with its own variables,
numbers and texts replaced.  N functions, V kinds of tokens.
"""

import ast
import difflib
import io
import textwrap
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("resnet_backbones", "tasks", "tools", "benchmarks", "studies")
LEAST_LINES = 8
LARGEST_RATIO = 0.85
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True)
class Function:
    folder: str
    name: str
    tokens: tuple[str, ...]


def functions_of(folder: str, source: str) -> Iterator[Function]:
    """The functions and methods of a source that are long enough."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            text = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
            tokens, count = tokens_of(text)
            if count >= LEAST_LINES:
                yield Function(folder, node.name, tokens)


def tokens_of(text: str) -> tuple[tuple[str, ...], int]:
    """A function's tokens, and its lines without the docstring."""
    (tree,) = ast.parse(text).body
    assert isinstance(tree, ast.FunctionDef)
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    documented = ast.get_docstring(tree) is not None
    docstring = range(tree.body[0].lineno, (tree.body[0].end_lineno or 0) + 1)
    skipped = docstring if documented else range(0)
    tokens: list[str] = []
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in LAYOUT or token.start[0] in skipped:
            continue
        tokens.append(replaced(token, own, before))
        before = token.string
    return tuple(tokens), len(text.splitlines()) - len(skipped)


def replaced(token: tokenize.TokenInfo, own: set[str], before: str) -> str:
    """A token, or what stands for any variable, number or text."""
    if token.type == tokenize.NUMBER:
        return "0"
    if token.type == tokenize.STRING or tokenize.tok_name[token.type].startswith("FSTRING"):
        return "''"
    is_variable = token.type == tokenize.NAME and before != "." and token.string in own
    return "v" if is_variable else token.string


def near_copies(functions: list[Function]) -> list[str]:
    """Pairs in different folders whose token sequences are nearly the same."""
    counts = count_tokens(functions)  # (N, V)
    totals = counts.sum(axis=1)
    found = []
    for first, function in enumerate(functions):
        shared = np.minimum(counts[first], counts[first + 1 :]).sum(axis=1)
        bounds = 2 * shared / (totals[first] + totals[first + 1 :])  # of the ratio
        for second in (np.flatnonzero(bounds >= LARGEST_RATIO) + first + 1).tolist():
            other = functions[second]
            if other.folder != function.folder and ratio(function, other) >= LARGEST_RATIO:
                found.append(f"{function.folder}/{function.name} ~ {other.folder}/{other.name}")
    return found


def count_tokens(functions: list[Function]) -> NDArray[np.int64]:
    kinds = {token for function in functions for token in function.tokens}
    columns = {token: column for column, token in enumerate(sorted(kinds))}
    counts = np.zeros((len(functions), len(columns)), dtype=np.int64)
    for row, function in enumerate(functions):
        for token, count in Counter(function.tokens).items():
            counts[row, columns[token]] = count
    return counts


def ratio(one: Function, other: Function) -> float:
    return difflib.SequenceMatcher(None, one.tokens, other.tokens, autojunk=False).ratio()


def test_no_function_is_nearly_copied_between_folders() -> None:
    functions = [
        function
        for top in FOLDERS
        for path in sorted((ROOT / top).rglob("*.py"))
        for function in functions_of(str(path.parent.relative_to(ROOT)), path.read_text())
    ]
    assert len(functions) > 300
    assert near_copies(functions) == []


ORIGINAL = '''
def mean_losses(parts, device):
    """The mean."""
    total = sum(part.weight for part in parts)
    names = dict.fromkeys(name for part in parts for name in part.sums)
    means = {}
    for name in names:
        means[name] = sum(part.sums.get(name, 0.0) for part in parts) / total
    if not means:
        raise UserError("no losses")
    return means
'''
COPY = '''
def average(chunks, place):
    """Something else is said here, over
    several lines.
    """
    weight = sum(chunk.weight for chunk in chunks)  # all of them
    keys = dict.fromkeys(key for chunk in chunks for key in chunk.sums)
    result = {}
    for key in keys:
        result[key] = sum(chunk.sums.get(key, 1.5) for chunk in chunks) / weight
    if len(result) == 0:
        raise UserError("nothing was computed")
    return result
'''


def test_a_copy_with_renamed_variables_and_a_changed_line_is_found() -> None:
    def planted(folder: str) -> list[Function]:
        return [*functions_of("tasks/engine", ORIGINAL), *functions_of(folder, COPY)]

    assert near_copies(planted("tasks/detection")) == [
        "tasks/engine/mean_losses ~ tasks/detection/average"
    ]
    assert near_copies(planted("tasks/engine")) == []
