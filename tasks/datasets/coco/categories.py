"""Read the categories of a COCO file as classes.  K classes."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from resnet_backbones.errors import UserError
from tasks.datasets.coco.json_file import Record
from tasks.datasets.coco.sizes import writable
from tasks.errors import DataError, quoted
from tasks.labels import FileId, LabelMap


class OtherClassesError(UserError):
    """No category of a file is a class of the wanted label map."""


@dataclass(frozen=True)
class Classes:
    """The classes that a file's categories stand for."""

    label_map: LabelMap
    labels: Mapping[Hashable, int | None]
    """Label of each category id; None if the label map has no such class."""
    warnings: tuple[str, ...]


def read_classes(
    categories: Sequence[Record],
    annotations: Sequence[Record],
    wanted: LabelMap | None,
    source: str,
) -> Classes:
    """Label the categories in their order, or by name as the label map `wanted` does.

    `source` is the name of the categories' file in messages. Raises OtherClassesError if no name
    is among those of `wanted`.
    """
    categories, warnings = _without_heading(categories, annotations)
    names, repeated = _unique_names(categories)
    own = LabelMap(tuple(record["id"] for record in categories), names, source=source)
    warnings += repeated
    if wanted is None:
        labels: dict[Hashable, int | None] = {
            category: label for label, category in enumerate(own.category_ids)
        }
        return Classes(own, labels, warnings)
    wanted_names = [name.strip() for name in wanted.names]  # earlier versions kept the blanks
    _check_spelling(names, wanted_names, wanted.source)
    if own.num_classes and not set(names) & set(wanted_names):
        raise OtherClassesError(
            f"no category has a name of {wanted.source}: got {quoted(names)}, expected"
            f" {quoted(wanted_names)}"
        )
    missing = [name for name in wanted_names if name not in names]
    extra = [name for name in names if name not in wanted_names]
    if missing:
        warnings += (
            f"{len(missing)} classes of {wanted.source} are not categories here: {quoted(missing)}",
        )
    if extra:
        text = f"{len(extra)} categories are not classes of {wanted.source}: {quoted(extra)}"
        warnings += (text,)
    by_name = {name: label for label, name in enumerate(wanted_names)}
    pairs = zip(own.category_ids, names, strict=True)
    labels = {category: by_name.get(name) for category, name in pairs}
    return Classes(_with_ids_of(wanted, own), labels, warnings)


def _without_heading(
    categories: Sequence[Record], annotations: Sequence[Record]
) -> tuple[Sequence[Record], tuple[str, ...]]:
    """Drop the supercategory entry that Roboflow's exports add, and say so.

    It is the supercategory of all others, has none itself, and has no object.
    """
    for record in categories:
        others = [category for category in categories if category is not record]
        if _is_above_all(record, others) and not _has_objects(record, annotations):
            warning = (
                f"category {record['id']!r}, {record.get('name')!r}, has no object and is the"
                " heading of all others; it was left out, as Roboflow's exports add it"
            )
            return others, (warning,)
    return categories, ()


def _is_above_all(record: Record, others: Sequence[Record]) -> bool:
    """Whether a category is the supercategory of all others, and has none itself."""
    name = record.get("name")
    if record.get("supercategory") != "none" or not isinstance(name, str) or not others:
        return False
    return all(category.get("supercategory") == name for category in others)


def _has_objects(record: Record, annotations: Sequence[Record]) -> bool:
    """Whether any annotation is of a category."""
    objects = (annotation for annotation in annotations if isinstance(annotation, Mapping))
    return any(annotation.get("category_id") == record["id"] for annotation in objects)


def _unique_names(categories: Sequence[Record]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return unique category names; a duplicate gets its id added, with a warning."""
    names: list[str] = []
    warnings: list[str] = []
    for record in categories:
        name = category_name(record)
        if name != record.get("name") and isinstance(record.get("name"), str):
            warnings.append(
                f"category {record['id']!r} is called {record['name']!r}, which was read as"
                f" {name!r}"
            )
        if name in names:
            unique = f"{name} ({record['id']})"
            warnings.append(
                f"two categories are called {name!r}; the one with id {record['id']!r} is now"
                f" {unique}"
            )
            name = unique
        names.append(name)
    return tuple(names), tuple(warnings)


def category_name(record: Record) -> str:
    """Return the name of a category, without blanks around it, or its id if it has no name.

    Raises DataError for a name of several lines or with other characters that nothing shows.
    """
    value = record.get("name")
    name = "" if value is None else writable(str(value), "category name").strip()
    if not (name or str(record["id"])).isprintable():
        rule = f"a category name must be one line of characters that can be shown, got {value!r}"
        raise DataError(rule, "rename it", f"category {record['id']!r}")
    return name or str(record["id"])


def _check_spelling(names: Sequence[str], wanted: Sequence[str], source: str) -> None:
    """Raise OtherClassesError for a name that differs from a class only in case."""
    missing = {name.casefold(): name for name in wanted if name not in names}
    for name in names:
        near = missing.get(name.casefold())
        if name not in wanted and near is not None:
            raise OtherClassesError(
                f"every category must be called as in {source}, got {name!r}; did you mean"
                f" {near!r}? give both one name"
            )


def _with_ids_of(wanted: LabelMap, own: LabelMap) -> LabelMap:
    """Give the wanted classes this file's ids.

    A class that the file lacks keeps its id or, if another class has that id here, takes its name.
    """
    by_name = dict(zip(own.names, own.category_ids, strict=True))
    ids: list[FileId] = []
    for name, category in zip(wanted.names, wanted.category_ids, strict=True):
        free = name if category in own.category_ids else category
        ids.append(by_name.get(name.strip(), free))
    return replace(wanted, category_ids=tuple(ids))
