"""The arrows between the packages, and what may be loaded when."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "rlvis": ROOT / "rlvis",
    "rlvis_envs": ROOT / "envs" / "rlvis_envs",
    "rlvis_agents": ROOT / "agents" / "rlvis_agents",
}
MODULES = {
    ".".join((top, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
    for top, folder in PACKAGES.items()
    for path in folder.rglob("*.py")
}
ALLOWED = {"rlvis": set(), "rlvis_envs": set(), "rlvis_agents": {"rlvis", "rlvis_envs"}}


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package) -> None:
    others = set(PACKAGES) - {package} - ALLOWED[package]
    files = list(PACKAGES[package].rglob("*.py"))
    assert files
    for path in files:
        if PACKAGES["rlvis"] / "cli" not in path.parents:
            assert not imported(path) & others, path


def loaded_after(code: str) -> set[str]:
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_tools_work_without_worlds_and_agents() -> None:
    code = (
        "import numpy, rlvis\n"
        "model = rlvis.load_classifier(weights='random')\n"
        "rlvis.explain(model, numpy.zeros((64, 64, 3), numpy.uint8), list(rlvis.METHODS)[:5])"
    )
    unwanted = {"gymnasium", "stable_baselines3", "miniworld", "pyglet", "matplotlib", "captum"}
    assert not loaded_after(code) & {*unwanted, "rlvis_agents", "rlvis_envs"}


def test_help_is_quick() -> None:
    code = "import rlvis.cli\ntry: rlvis.cli.main(['--help'])\nexcept SystemExit: pass"
    assert not loaded_after(code) & {"torch", "numpy", "gymnasium", "zarr", "av"}


def test_loading_a_policy_needs_neither_gymnasium_nor_stable_baselines() -> None:
    code = "import rlvis_agents; rlvis_agents.load_policy('cube-reach')"
    assert not loaded_after(code) & {"gymnasium", "stable_baselines3", "miniworld", "pyglet"}


def test_no_module_has_the_name_of_what_stands_in_or_beside_it() -> None:
    """`import package.name` gives the module, and `package.name` nothing else."""
    for top in PACKAGES.values():
        for path in top.rglob("*.py"):
            tree = ast.parse(path.read_text())
            defined = {
                node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
            }
            if path.name != "__init__.py":
                assert path.stem not in defined, path
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom):
                    defined |= {
                        alias.asname or alias.name
                        for alias in node.names
                        if f"{node.module}.{alias.name}" not in MODULES
                    }
            beside = {each.stem for each in path.parent.glob("*.py")} | {
                each.parent.name for each in path.parent.glob("*/__init__.py")
            }
            assert not beside & defined, path
