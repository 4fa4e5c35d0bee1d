"""The walls of the house: which floor may import which, what stays light, and how long a module may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {"zoo": 0, "finetune": 1, "tuning": 2}
MODULES = sorted(path.relative_to(ROOT) for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
LIGHT_LIBRARIES = {"pydantic", "click", "yaml"}
# Functions that resolve a name on first use, or make the one hop of a command: imports inside them are by design.
HOPS = {"__getattr__", "load"}
MAX_LINES = 300


def imports(path: Path) -> list[str]:
    """Return the modules that a file imports at its top, standard library left out."""
    found = []
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if name.partition(".")[0] not in sys.stdlib_module_names]


def file_of(module: str) -> Path | None:
    """Return the file of one of our modules, or None for anything else."""
    base = Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if (ROOT / path).is_file() and path.parts[0] in FLOORS:
            return path
    return None


def is_light(path: Path, seen: frozenset = frozenset()) -> bool:
    """Return whether importing a file loads nothing but the standard library and the light libraries."""
    for name in imports(path):
        ours = file_of(name)
        if ours and ours not in seen and not is_light(ours, seen | {path}):
            return False
        if name.partition(".")[0] not in FLOORS and name.partition(".")[0] not in LIGHT_LIBRARIES:
            return False
    return True


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nothing_points_up(path):
    """A module imports only from its own floor and those below."""
    higher = {floor for floor, level in FLOORS.items() if level > FLOORS[path.parts[0]]}
    tree = ast.parse((ROOT / path).read_text())
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in named if name.partition(".")[0] in higher}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_only_public_keras_is_used(path):
    """No module reaches into keras.src or into TensorFlow's private parts."""
    text = (ROOT / path).read_text()
    assert "keras.src" not in text and "tensorflow.python" not in text


@pytest.mark.parametrize(
    "name",
    [
        *("zoo", "zoo.errors", "zoo.atomic", "zoo.spec", "zoo.model_card", "zoo.registry", "zoo.weights.sources"),
        *(
            f"zoo.families.{f}.{part}"
            for f in ("resnet", "densenet", "efficientnet_lite", "applications", "hub", "saved")
            for part in ("table", "names")
        ),
        *("zoo.families.torchvision", "zoo.families.resnet.stages", "zoo.families.efficientnet_lite.stages"),
        *("zoo.weights.download", "zoo.sequential.arguments"),
        *(
            "finetune",
            "finetune.config",
            "finetune.config_file",
            "finetune.run_dir",
            "finetune.beforehand",
            "finetune.decide",
            "finetune.cli",
            "finetune.cli_models",
            "finetune.cli_parts",
        ),
        *("finetune.data.examples", "finetune.data.folder", "finetune.data.split", "tuning", "tuning.cli"),
        *(
            f"tuning.{part}"
            for part in (
                *("trial", "dimensions", "constraints", "space", "space_file", "space_reading", "dimension_reading"),
                *("settings", "default_spaces", "algorithm", "random_search", "grid_search", "hyperband"),
                *("job", "journal", "study", "objective", "ranking", "loop", "medians", "seeds", "states", "wishes"),
                *("words", "workers", "in_process"),
            )
        ),
    ],
)
def test_light_modules_stay_light(name):
    """What a command needs before it starts working imports no heavy library, directly or through others."""
    assert is_light(file_of(name))


def test_this_check_sees_a_heavy_module():
    """The walk over imports does find Keras behind two of our modules."""
    assert not is_light(file_of("finetune.recipe"))


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_import_hides_in_a_function(path):
    """Imports stand at the top of the file, but for the hops and the standard library."""
    for function in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(function, ast.FunctionDef) and function.name not in HOPS:
            inner = [node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
            names = {getattr(node, "module", None) or node.names[0].name for node in inner}
            assert names <= sys.stdlib_module_names, function.name


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_modules_are_short(path):
    """A module has one job and at most 300 lines; tables may be longer."""
    lines = (ROOT / path).read_text().count("\n")
    assert lines <= MAX_LINES or path.name == "table.py"


def test_packages_import_without_heavy_libraries():
    """`import zoo, finetune, tuning` and the commands' modules load neither Keras nor NumPy."""
    code = (
        "import sys, zoo, finetune, tuning, finetune.cli, tuning.cli\n"
        "print({'keras', 'numpy', 'tensorflow', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("package", ["zoo", "finetune", "tuning"])
def test_no_module_hides_a_public_name(package):
    """A submodule sets an attribute of its name on the package, so it must not be named like a public function."""
    code = f"import {package}; print(*{package}.__all__)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert not [name for name in names.split() if (ROOT / package / f"{name}.py").exists()]
