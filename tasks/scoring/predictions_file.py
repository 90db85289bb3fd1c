"""predictions.csv: a line for each image of a classifier's evaluation.  N images, k ranks.

The columns are file, class, predicted, confidence, and rank1 … rankk as `name:probability`.  A
probability is written with as many digits as its 32 bits need.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from resnet_backbones.errors import UserError
from tasks.files import AtomicFile
from tasks.labels import LabelMap
from tasks.scoring.top_k import ClassResults

COLUMNS = ("file", "class", "predicted", "confidence")
RANK = "rank"
Row = tuple[str, int, list[int], list[float]]  # file, true label, labels and their probabilities


def write_results(
    path: str | Path, results: ClassResults, label_map: LabelMap, names: Callable[[int], str]
) -> None:
    """Write predictions.csv; `names(i)` is the file name of image i of the data set, from 0.

    It is written beside and renamed, so that it is whole wherever it is.
    """
    ranks = range(1, results.ranked.shape[1] + 1)
    with AtomicFile(Path(path)) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow([*COLUMNS, *(f"{RANK}{rank}" for rank in ranks)])
        lines.writerows(_lines(results, label_map, names))
        text.detach()


def _lines(
    results: ClassResults, label_map: LabelMap, names: Callable[[int], str]
) -> Iterator[list[str]]:
    columns = (
        results.image_ids.tolist(),
        results.labels.tolist(),
        results.ranked.tolist(),
        results.probabilities.astype(str).tolist(),
    )
    for image, truth, labels, probabilities in zip(*columns, strict=True):
        ranked = [label_map.names[label] for label in labels]
        pairs = zip(ranked, probabilities, strict=True)
        ranks = [f"{name}:{probability}" for name, probability in pairs]
        yield [names(image - 1), label_map.names[truth], ranked[0], probabilities[0], *ranks]


def read_results(path: str | Path, label_map: LabelMap) -> tuple[ClassResults, tuple[str, ...]]:
    """Read what `write_results` wrote, and the names of the files (N,).

    Images get ids by their lines, 1, 2, …. `predicted` and `confidence` repeat the first rank, so
    they are not read. UserError names the line that does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"predictions must be a CSV file that `eval` wrote, but {path} is missing")
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        try:
            head = next(lines, [])
            _check_head(path, head)
            rows = list(_rows(path, lines, len(head), label_map))
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(
                f"predictions must be a CSV file in UTF-8, but {path}: {error}"
            ) from error
    return _as_results(rows, len(head) - len(COLUMNS)), tuple(row[0] for row in rows)


def _check_head(path: Path, head: Sequence[str]) -> None:
    """Raise UserError for a first line that is not of `write_results`."""
    ranks = [f"{RANK}{rank}" for rank in range(1, len(head) - len(COLUMNS) + 1)]
    if not ranks or list(head) != [*COLUMNS, *ranks]:
        raise UserError(
            f"predictions must have the columns {','.join(COLUMNS)},{RANK}1,…, but the first line"
            f" of {path} is {','.join(head)!r}"
        )


def _rows(
    path: Path, lines: Iterable[Sequence[str]], width: int, label_map: LabelMap
) -> Iterator[Row]:
    labels = {name: label for label, name in enumerate(label_map.names)}
    for number, line in enumerate(lines, start=1):
        try:
            if len(line) != width:
                raise ValueError(f"it has {len(line)} values")
            yield _row(line, labels)
        except KeyError as error:
            rule = "every class must be one of the evaluation's"
            raise UserError(f"{path}: {rule}, got {error} in row {number}") from None
        except ValueError as error:
            rule = f"a row must have {width} values, with probabilities in the last ones"
            raise UserError(f"{path}: {rule}, but in row {number} {error}") from None


def _row(line: Sequence[str], labels: Mapping[str, int]) -> Row:
    """A line's values; KeyError for an unknown class, ValueError for text that is not a number."""
    ranked: list[int] = []
    probabilities: list[float] = []
    for text in line[len(COLUMNS) :]:
        name, _, probability = text.rpartition(":")
        ranked.append(labels[name])
        probabilities.append(float(probability))
    return line[0], labels[line[1]], ranked, probabilities


def _as_results(rows: Sequence[Row], ranks: int) -> ClassResults:
    return ClassResults(
        np.arange(1, len(rows) + 1, dtype=np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.int64).reshape(-1, ranks),
        np.array([row[3] for row in rows], np.float32).reshape(-1, ranks),
    )
