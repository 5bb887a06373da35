"""What could be imported before version 0.2 can be imported now."""

import subprocess
import sys
from importlib import import_module

import pytest

import rlvis
from rlvis.moved import MOVED

BEFORE = {
    "rlvis": "METHODS Decision Episode Explanation ImageModel InputError NonFiniteError Policy "
    "Preprocess Recording Scores explain load_classifier load_image record",
    "rlvis.attribution": "METHODS Method cam explain get_method gradient method perturbation "
    "transformer",
    "rlvis.features": "ArrayImages AttackedPolicy DreamSettings FolderImages ImageSet "
    "RecordingImages activation_maps apply_kernel attack attack_picture codes dream dream_film "
    "embed filters image_grid mnist objectives open_images patches project projection_sheet "
    "receptive_fields save_attack save_attack_data save_synthesis scatter smallest_attack "
    "strongest strongest_projections synthesize units",
    "rlvis.targets": "Target chosen contrast entropy every highest log_prob margin rank score top "
    "value",
    "rlvis_agents": "Evaluation PolicyNetwork TrainConfig evaluate load_policy shipped_policies "
    "train",
}


@pytest.mark.parametrize("module", BEFORE)
def test_public_names_are_where_they_were(module) -> None:
    found = import_module(module)
    for name in BEFORE[module].split():
        assert hasattr(found, name), name


@pytest.mark.parametrize("former", MOVED)
def test_modules_are_found_by_their_former_names(former) -> None:
    sys.modules.pop(former, None)
    with pytest.warns(DeprecationWarning, match=f"{former} is now {MOVED[former]}"):
        found = import_module(former)
    new = import_module(MOVED[former])
    names = [name for name in dir(new) if not name.startswith("__")]
    assert all(getattr(found, name) is getattr(new, name) for name in names)


def test_former_names_cost_nothing_until_they_are_used() -> None:
    code = "import rlvis, sys; assert 'torch' not in sys.modules; from rlvis import evidence"
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True
    )
    assert "rlvis.evidence is now rlvis.attribution.evidence" in run.stderr
    assert not hasattr(rlvis, "no_such_name")
