"""The arrows of the architecture: who may import whom, who computes, and who reads the environment."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "sagemaker_gluoncv_container"
SOURCE = ROOT / "src" / PACKAGE
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__").removesuffix("__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
# From the ground up: a module knows the layers before its own, and a sub-package itself.
LAYERS = (
    {"arrays", "errors", "formats", "junk", "machine"},
    {"contract", "decoding", "devices", "disk", "documents", "ending", "images"},
    {"artifact", "hosts", "pages"},
    {"model_folder"},
    {"data"},
    {"inference"},
    {"labelling", "monitoring", "preparing", "serving", "training", "tuning"},
    {"cli"},
)
# Within a sub-package: a room, and the rooms beside it that it knows nothing of.
APART = {
    "serving.workers": {"serving.http"},
    "training.model": {"training.learning", "training.results", "training.report"},
    "training.report": {"training.model", "training.learning", "training.results"},
}
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
# Each with the reason why it needs to compute.
COMPUTING = {
    "inference.engine_mxnet",
    "training.assembly",
    "training.results.kept",
    *(f"training.model.{name}" for name in ("incremental", "network", "optimization", "precision", "soundness")),
}
SCRIPTS = [ROOT / "train" / "train", ROOT / "serve" / "serve", ROOT / "serve" / "gunicorn.conf.py"]


def imports(module: str, *, in_functions: bool = True) -> Iterator[str]:
    """Yield the full names that a module imports; those of this package without its name."""
    path = MODULES[module]
    parts = module.split(".") if module else []
    package = parts if path.name == "__init__.py" else parts[:-1]
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if in_functions else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(f"{PACKAGE}.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join(
                [*base, *((node.module or "").removeprefix(f"{PACKAGE}.").split(".") if node.module else [])]
            )
            for alias in node.names:
                full = f"{source}.{alias.name}".lstrip(".")
                yield full if full in MODULES else source


def ours(module: str, *, in_functions: bool = True) -> set[str]:
    """Return the modules of this package that a module imports."""
    return {name for name in imports(module, in_functions=in_functions) if name in MODULES and name != ""}


def top(module: str) -> str:
    """Return the module or sub-package directly under ours."""
    return module.split(".")[0]


def test_imports_are_seen() -> None:
    """The parser of this test sees relative imports of every kind, also in functions."""
    assert {"contract", "errors", "training.channels", "training.assembly"} <= ours("training.job")
    assert "training.assembly" not in ours("training.job", in_functions=False)
    assert "errors" in ours("contract")
    assert "mxnet" in set(imports("training.model.network"))


@pytest.mark.parametrize("module", [name for name in MODULES if name])
def test_arrows_point_down(module: str) -> None:
    """A module imports only from the layers under its own, or from its own sub-package."""
    assert top(module) in LAYER, f"{module} has no place in the architecture yet: give it a layer in LAYERS"
    for imported in ours(module):
        below = LAYER[top(imported)] < LAYER[top(module)]
        assert below or (top(imported) == top(module) != module), f"{module} imports {imported}"


def test_the_upper_rooms_never_meet() -> None:
    """Training, serving and preparing import nothing of each other: what they share lies below."""
    upper = LAYERS[-2]
    for module in MODULES:
        if top(module) in upper:
            assert not {top(imported) for imported in ours(module)} & (upper - {top(module)}), module


@pytest.mark.parametrize("room", APART)
def test_rooms_within_a_package(room: str) -> None:
    """What computes knows no HTTP, the net knows no epochs, and a report knows only what it is given."""
    modules = [module for module in MODULES if module.startswith(f"{room}.")]
    assert modules, f"there is no {room} any more"
    for module in modules:
        for imported in ours(module):
            assert not any(f"{imported}.".startswith(f"{other}.") for other in APART[room]), f"{module}: {imported}"


def test_no_cycles() -> None:
    """Imports form no circle, those in functions included."""
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module not in done:
            for imported in ours(module):
                visit(imported, (*above, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())
    assert done == set(MODULES)


def test_only_what_computes_imports_mxnet() -> None:
    """Everything else can be tested on a bare laptop."""
    found = {name for name in MODULES if {top(each) for each in imports(name)} & {"mxnet", "gluoncv"}}
    assert found <= COMPUTING


def test_job_imports_mxnet_late() -> None:
    """MXNet reads its environment when it is imported, so the job imports it, and what needs it, in a function."""
    reached, waiting = set(), ["training.job"]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            assert not {top(each) for each in imports(module, in_functions=False)} & {"mxnet", "gluoncv"}, module
            waiting += ours(module, in_functions=False)
    assert "training.channels" in reached


@pytest.mark.parametrize("module", ["training.job", "data.batches", "serving.server", "serving.http.bodies", "cli"])
def test_imports_without_mxnet(module: str) -> None:
    """These modules load where MXNet is not to be had."""
    code = (
        "import sys; sys.modules.update(mxnet=None, gluoncv=None); import importlib;"
        f"importlib.import_module('{PACKAGE}.{module}')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name != "__init__.py"])
def test_every_module_has_its_test(module: str) -> None:
    """The tests mirror the sources, so that a newcomer finds a module's test by its name."""
    *folders, name = module.split(".")
    mirror = Path(__file__).parent.joinpath(*folders, f"test_{name}.py")
    assert mirror.is_file(), f"{module} has no test: write {mirror.relative_to(ROOT)}"


def reads_environment(path: Path) -> bool:
    """Return whether a file mentions os.environ, os.getenv or their like."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os":
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os" and {each.name for each in node.names} & names:
            return True
    return False


def test_only_contract_reads_the_environment() -> None:
    """Every variable is found in one place."""
    files = [*MODULES.values(), *SCRIPTS]
    assert [path for path in files if reads_environment(path)] == [MODULES["contract"]]


@pytest.mark.parametrize("script", SCRIPTS[:2], ids=lambda path: path.name)
def test_entry_points_are_short(script: Path) -> None:
    """`train` and `serve` hand over in a few lines, and can be run."""
    assert len(script.read_text().splitlines()) <= 10
    assert script.stat().st_mode & 0o111 == 0o111
