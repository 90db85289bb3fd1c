"""The import table: who may import whom; and nothing is copied between files."""

import ast
import copy
import graphlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in ("resnet_backbones", "tasks", "tools", "benchmarks", "studies")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
TREES = {module: ast.parse(path.read_text()) for module, path in SOURCES.items()}

# Floors, each standing on those below; within a floor, modules import each other without a cycle.
# A row says what a folder's modules may import anywhere, and what inside functions only. The first
# row that matches counts; `x.*` is x and everything below it. A task's row is made from its folder.
READING = {"numpy", "msgspec", "PIL", "pycocotools"}
FLOORS = {
    "tasks.errors",
    "tasks.files",
    "tasks.outputs",
    "tasks.labels",
    "tasks.boxes",
    "tasks.images",
    "tasks.metrics_file",
    "tasks.run_start",
    "tasks.score_names",
    "tasks.written",
    "tasks.panels",
    "tasks.drawing",
    "tasks.outcomes",
    "tasks.tags",
    "tasks.picture_grid",
    "tasks.plots",
    "tasks.captions",
    "tasks.sample_sheet",
    "tasks.label_plots",
    "tasks.stages",
    "tasks.cores",
    "tasks.datasets.*",
    "tasks.scoring.*",
    "tasks.report.*",
}
DRAWING = {
    "tasks.errors",
    "tasks.files",
    "tasks.outputs",
    "tasks.labels",
    "tasks.boxes",
    "tasks.images",
    "tasks.drawing",
    "tasks.outcomes",
    "tasks.plots",
}
SHARED = {"engine", "vision", "datasets", "scoring", "report", "cli", "serve", "zoo"}
TASKS = [
    path.name
    for path in sorted((ROOT / "tasks").iterdir())
    if (path / "__init__.py").is_file() and path.name not in SHARED
]
EVERYTHING = {"torch", "torchvision", "timm", "hotcoco", *READING, "tasks.*", "resnet_backbones.*"}
VIEWS = {
    "torchvision": "torchvision",
    "timm": "timm",
    "smp": "segmentation_models_pytorch",
    "detectron2": "detectron2",
    "mmdet": "mmengine",
    "huggingface": "transformers",
}
ERRORS = "resnet_backbones.errors"  # of the standard library alone: everything may import it
Row = tuple[str, set[str], set[str]]


def task_rows(task: str) -> list[Row]:
    """A task imports its own folder and every floor below, and never another task."""
    below = {"tasks.engine.*", "tasks.vision.*", "resnet_backbones.*", *FLOORS}
    settings = {
        "tasks.engine.setting_declarations",
        "tasks.engine.settings",
        "tasks.vision.settings",
        "tasks.vision.settings_semantic",
    }
    return [
        (f"tasks.{task}.data_config", settings, set()),
        (f"tasks.{task}.config", {*settings, f"tasks.{task}.data_config"}, set()),
        (
            f"tasks.{task}.*",
            {"torch", "torchvision", f"tasks.{task}.*", *below, *READING},
            {"timm"},
        ),
    ]


# What the command line needs before torch is imported.
TORCHLESS = {
    f"tasks.engine.{name}"
    for name in (
        "commands",
        "config",
        "config_text",
        "config_words",
        "nested_values",
        "progress",
        "run_ending",
        "run_files",
        "run_lock",
        "schedule",
        "setting_declarations",
        "setting_help",
        "setting_names",
        "setting_types",
        "settings",
        "watching",
    )
}
TABLE: list[Row] = [
    (ERRORS, set(), set()),
    (
        "resnet_backbones.weights.sources",
        {"torch", "safetensors", "resnet_backbones.*"},
        {"torchvision", "timm", "huggingface_hub"},
    ),  # the hub is timm's
    ("resnet_backbones.safe_pickle", set(), {"numpy"}),
    ("resnet_backbones.weights.pickles", {"torch", "resnet_backbones.safe_pickle"}, {"numpy"}),
    ("resnet_backbones.zoo.catalogue", set(), set()),
    *(
        (f"resnet_backbones.interop.{module}", {"torch", "resnet_backbones.*"}, {library})
        for module, library in VIEWS.items()
    ),
    ("resnet_backbones.timm_models", {"torch", "resnet_backbones.*"}, {"timm"}),
    (
        "resnet_backbones.analysis.study",
        {"torch", "resnet_backbones.*"},
        {"numpy", "PIL", "matplotlib"},
    ),
    ("resnet_backbones.*", {"torch", "safetensors", "resnet_backbones.*"}, set()),
    ("tasks", {"tasks.cli.api"}, {"tasks.cli.*"}),
    ("tasks.errors", set(), set()),
    ("tasks.files", set(), set()),
    ("tasks.outputs", {"tasks.files"}, set()),
    ("tasks.labels", set(), set()),
    ("tasks.metrics_file", set(), set()),
    ("tasks.run_start", set(), set()),
    ("tasks.score_names", set(), set()),
    ("tasks.written", set(), set()),
    ("tasks.panels", {"tasks.score_names"}, set()),
    ("tasks.stages", set(), set()),
    ("tasks.cores", set(), set()),
    ("tasks.boxes", {"numpy"}, set()),
    ("tasks.png", set(), set()),
    ("tasks.images", {"numpy", "PIL", "tasks.errors", "tasks.png", "tasks.stages"}, set()),
    ("tasks.drawing", {"PIL", "tasks.labels"}, {"matplotlib"}),
    ("tasks.outcomes", {"PIL", "tasks.drawing"}, set()),
    ("tasks.tags", {"numpy", "tasks.drawing"}, set()),
    (
        "tasks.picture_grid",
        {"numpy", "PIL", "tasks.drawing", "tasks.images", "tasks.outcomes"},
        set(),
    ),
    *(
        (
            module,
            {"numpy", "PIL", "tasks.drawing", "tasks.images", "tasks.labels", "tasks.outcomes"}
            | {"tasks.picture_grid", *others},
            set(),
        )
        for module, others in (
            ("tasks.plots", {"tasks.tags"}),
            ("tasks.label_plots", {"tasks.files"}),
        )
    ),
    ("tasks.captions", {"numpy", "PIL", "tasks.drawing", "tasks.images"}, set()),
    (
        "tasks.sample_sheet",
        {"numpy", "PIL", "tasks.drawing", "tasks.files", "tasks.images"},
        set(),
    ),
    (
        "tasks.datasets.convert.yolo_settings",
        {"yaml", "tasks.datasets.*", "tasks.errors"},
        set(),
    ),
    (
        "tasks.datasets.semantic.class_files",
        {"yaml", "tasks.datasets.*", "tasks.labels"},
        set(),
    ),
    (
        "tasks.datasets.class_images.addresses",
        {"tasks.datasets.*", "tasks.errors"},
        {"fsspec"},
    ),
    (
        "tasks.datasets.web_files",
        {"tasks.datasets.class_images.addresses", "tasks.files", "tasks.outputs"},
        set(),
    ),
    (
        "tasks.datasets.class_images.remote_shards",
        {"tasks.datasets.*", "tasks.errors", "tasks.labels"},
        {"webdataset"},
    ),
    (
        "tasks.datasets.class_images.imagenet",
        {"numpy", "tasks.datasets.*", "tasks.errors", "tasks.images"},
        {"scipy"},
    ),
    (
        "tasks.datasets.*",
        {*READING, *DRAWING, "resnet_backbones.safe_pickle", "tasks.cores", "tasks.datasets.*"},
        set(),
    ),
    (
        "tasks.scoring.*",
        {"numpy", "msgspec", "hotcoco", *DRAWING, "tasks.datasets.*", "tasks.scoring.*"},
        {"pycocotools"},
    ),
    (
        "tasks.report.*",
        {"numpy", "PIL", "yaml", "hotcoco", *FLOORS},
        set(),
    ),
    ("tasks.engine.sinks", {"tasks.files", "tasks.metrics_file"}, {"torch", "tqdm"}),
    (
        "tasks.engine.trackers",
        {
            *TORCHLESS,
            "tasks.engine.distributed",
            "tasks.engine.sinks",
            "tasks.files",
            "tasks.metrics_file",
        },
        {"wandb", "mlflow"},
    ),
    ("tasks.engine.config_text", {"omegaconf", *TORCHLESS}, set()),
    *(
        (module, {*TORCHLESS, "tasks.files", "tasks.metrics_file", "tasks.written"}, set())
        for module in sorted(TORCHLESS)
    ),
    (
        "tasks.engine.*",
        {
            "torch",
            "numpy",
            "matplotlib",
            "tensorboard",
            "tqdm",
            "tasks.engine.*",
            "tasks.cores",
            "tasks.errors",
            "tasks.files",
            "tasks.outputs",
            "tasks.metrics_file",
            "tasks.panels",
            "tasks.score_names",
            "tasks.written",
            "tasks.run_start",
            "tasks.stages",
        },
        {"timm"},
    ),
    (
        "tasks.vision.settings",
        {"tasks.engine.setting_declarations", "tasks.engine.settings"},
        set(),
    ),
    (
        "tasks.vision.settings_semantic",
        {"tasks.engine.setting_declarations", "tasks.vision.settings"},
        set(),
    ),
    (
        "tasks.vision.check_weights",
        {"tasks.engine.run_files", "tasks.engine.settings", "resnet_backbones.zoo.catalogue"},
        set(),
    ),
    (
        "tasks.vision.video",
        {"numpy", "tasks.errors", "tasks.files", "tasks.images"},
        {"cv2"},
    ),
    (
        "tasks.vision.*",
        {
            "torch",
            "numpy",
            "PIL",
            "resnet_backbones.*",
            "tasks.engine.batches",
            "tasks.engine.checkpoint",
            "tasks.engine.environment",
            "tasks.engine.randomness",
            "tasks.engine.sampling",
            "tasks.engine.saved",
            "tasks.engine.settings",
            "tasks.vision.*",
            "tasks.errors",
            "tasks.files",
            "tasks.outputs",
            "tasks.boxes",
            "tasks.labels",
            "tasks.images",
        },
        {"albumentations"},
    ),
    *(row for task in TASKS for row in task_rows(task)),
    (
        "tasks.serve.*",
        {"tasks.serve.*", "tasks.drawing", "tasks.errors", "tasks.images", "tasks.labels"}
        | {"tasks.report.images"},
        set(),
    ),
    ("tasks.zoo", set(), set()),
    ("tasks.cli.completion", set(), {"shtab"}),
    ("tasks.cli.*", {"tasks.*", "resnet_backbones.*"}, set()),
    ("tools.benchmark", {"benchmarks.run"}, set()),
    (
        "tools.publish_weights",
        {"tasks.cli.endings", "resnet_backbones.zoo.catalogue"},
        {"resnet_backbones.zoo.publish"},
    ),
    ("tools.*", {"tasks.cli.main"}, set()),
    ("benchmarks.common", set(), set()),
    ("benchmarks.detectron2_peer", {*EVERYTHING, "benchmarks.*"}, {"detectron2"}),
    (
        "benchmarks.segmentation",
        {*EVERYTHING, "benchmarks.*"},
        {"segmentation_models_pytorch"},
    ),
    ("benchmarks.*", {*EVERYTHING, "benchmarks.*"}, set()),
    ("studies.*", {*EVERYTHING, "benchmarks.*", "studies.*"}, {"matplotlib"}),
]
OWN = {"resnet_backbones", "tasks", "tools", "benchmarks", "studies", "tests"}


def matches(module: str, pattern: str) -> bool:
    """Whether a dotted name is meant by an entry of the table."""
    stem = pattern.removesuffix(".*")
    return module == stem or (pattern != stem and module.startswith(f"{stem}."))


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """What one statement imports: our modules by full name, other libraries by name, the standard
    library left out.
    """
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        assert node.level == 0, f"line {node.lineno}: import by full name, not relatively"
        below = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if name in SOURCES else str(node.module) for name in below]
    tops = [(name, name.split(".")[0]) for name in names]
    named = (
        name if top in OWN else top
        for name, top in tops
        if top not in {*sys.stdlib_module_names, "_typeshed"}
    )
    return list(dict.fromkeys(named))


def imports(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    """Every import statement in a tree, those inside functions too."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    """Every function and method in a tree."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def violations(module: str, tree: ast.Module) -> Iterator[str]:
    """What `module` imports against the table, or takes from a package instead of the module that
    defines it.
    """
    always, lazily = next(row[1:] for row in TABLE if matches(module, row[0]))
    inside = {node for function in functions(tree) for node in imports(function)}
    for node in imports(tree):
        allowed = always | lazily if node in inside else always
        for name in imported(node):
            from_package = (
                name in SOURCES
                and SOURCES[name].name == "__init__.py"
                and not module.startswith("tools.")
            )
            if name == ERRORS and module != ERRORS:
                continue
            if from_package or not any(matches(name, pattern) for pattern in allowed):
                yield f"{module}:{node.lineno} imports {name}"


def chosen_routes(module: str, tree: ast.Module) -> Iterator[str]:
    """The routes of operations that a module imports, which an operation alone may do."""
    if ".ops." in module:
        return
    for node in imports(tree):
        for name in imported(node):
            if ".ops.kernels" in name:
                yield f"{module}:{node.lineno} imports {name}"


def fingerprint(function: ast.FunctionDef) -> str:
    """A body without its docstring, local names numbered by first use; empty below six
    statements.
    """
    function = copy.deepcopy(function)
    body = function.body[1:] if ast.get_docstring(function) else function.body
    nodes = [node for part in [function.args, *body] for node in ast.walk(part)]
    if sum(isinstance(node, ast.stmt) for node in nodes) < 6:
        return ""
    bound = [node.arg for node in nodes if isinstance(node, ast.arg)]
    bound += [
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    numbers = {name: f"local{number}" for number, name in enumerate(dict.fromkeys(bound))}
    for node in nodes:
        if isinstance(node, ast.Name):
            node.id = numbers.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = numbers[node.arg]
    return "\n".join(ast.dump(statement) for statement in body)


def copies(trees: dict[str, ast.Module]) -> list[list[str]]:
    """Groups of functions in different modules whose bodies are the same."""
    places: dict[str, list[tuple[str, str]]] = {}
    for module, tree in trees.items():
        for function in functions(tree):
            places.setdefault(fingerprint(function), []).append((module, function.name))
    groups = [
        group for body, group in places.items() if body and len({module for module, _ in group}) > 1
    ]
    return [[f"{module}.{name}" for module, name in group] for group in groups]


@pytest.mark.parametrize("module", SOURCES)
def test_module_imports_only_what_the_table_allows(module: str) -> None:
    assert list(violations(module, TREES[module])) == []


def test_imports_inside_functions_and_from_packages_are_seen() -> None:
    source = (
        "from tasks import detection\ndef f():\n    import torch, json\n    from PIL import Image"
    )
    assert list(violations("tasks.plots", ast.parse(source))) == [
        "tasks.plots:1 imports tasks.detection",
        "tasks.plots:3 imports torch",
    ]


@pytest.mark.parametrize("module", SOURCES)
def test_only_operations_choose_routes(module: str) -> None:
    assert list(chosen_routes(module, TREES[module])) == []


def test_a_route_that_a_model_chooses_is_seen() -> None:
    source = ast.parse("from tasks.detection.ops.kernels.cells import list_cells")
    model = "tasks.detection.model.box_head"
    route = "tasks.detection.ops.kernels.cells"
    assert list(chosen_routes(model, source)) == [f"{model}:1 imports {route}"]
    assert list(chosen_routes("tasks.detection.ops.roi_align", source)) == []


def test_no_import_cycle() -> None:
    graph = {
        module: {
            name
            for node in imports(tree)
            for name in imported(node)
            if name in SOURCES and name != module
        }
        for module, tree in TREES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def test_no_function_is_copied_between_modules() -> None:
    assert copies(TREES) == []


def test_a_copy_with_other_local_names_is_found() -> None:
    text = textwrap.dedent('''
        def {0}({1}):
            """{0}"""
            if {1}:
                {2} = g({1})
                h = {2} + 1
            for i in {2}:
                g(i, h)
            return {2}
    ''')
    trees = {
        "a": ast.parse(text.format("first", "one", "x")),
        "b": ast.parse(text.format("second", "two", "y")),
    }
    assert copies(trees) == [["a.first", "b.second"]]
