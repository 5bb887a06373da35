"""Modules by the names they had before version 0.2: imports of these keep working.

Only the modules' places are kept, with a `DeprecationWarning`; names that changed within a module
are in the changelog.
"""

import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "rlvis.actions": "rlvis.models.distributions",
    "rlvis.attentions": "rlvis.instrument.attention_maps",
    "rlvis.chance": "rlvis.models.rng",
    "rlvis.checked_env": "rlvis.rollouts.checked_env",
    "rlvis.classifiers": "rlvis.zoo.classifiers",
    "rlvis.dependence": "rlvis.models.autograd_graph",
    "rlvis.depth": "rlvis.images.depth",
    "rlvis.devices": "rlvis.models.devices",
    "rlvis.digits": "rlvis.zoo.digits",
    "rlvis.display.encode": "rlvis.display.video_file",
    "rlvis.display.film": "rlvis.rollouts.film.writing",
    "rlvis.display.frame": "rlvis.rollouts.film.frame",
    "rlvis.display.heads": "rlvis.rollouts.film.column_heads",
    "rlvis.display.layout": "rlvis.rollouts.film.frame_layout",
    "rlvis.display.panel": "rlvis.attribution.panel",
    "rlvis.display.overlay": "rlvis.display.overlays",
    "rlvis.display.sheet": "rlvis.display.page",
    "rlvis.display.timeline": "rlvis.rollouts.film.timeline",
    "rlvis.environments": "rlvis.rollouts.environments",
    "rlvis.evidence": "rlvis.attribution.evidence",
    "rlvis.explanation": "rlvis.attribution.explanation",
    "rlvis.faults": "rlvis.models.shape_errors",
    "rlvis.features.attack_figure": "rlvis.features.adversarial.result",
    "rlvis.features.checkpoint": "rlvis.features.image_sets.image_pass",
    "rlvis.features.classes": "rlvis.features.image_sets.classes",
    "rlvis.features.dependence": "rlvis.instrument.dependence.tracer",
    "rlvis.features.embed_figure": "rlvis.features.embedding.plane",
    "rlvis.features.extents": "rlvis.instrument.dependence.extents",
    "rlvis.features.image_set": "rlvis.features.image_sets.image_set",
    "rlvis.features.maps": "rlvis.features.activations.maps",
    "rlvis.features.patch_page": "rlvis.features.top_patches.layer_patches",
    "rlvis.features.pixels": "rlvis.models.pixels",
    "rlvis.features.survey": "rlvis.features.top_patches.scan",
    "rlvis.features.synthesis.dream": "rlvis.features.synthesis.deep_dream",
    "rlvis.features.synthesis.images": "rlvis.features.synthesis.parametrization",
    "rlvis.features.synthesis.real": "rlvis.features.synthesis.real_images",
    "rlvis.features.synthesis.synthesize": "rlvis.features.synthesis.visualization",
    "rlvis.features.unit_html": "rlvis.features.selectivity.report",
    "rlvis.features.unit_report": "rlvis.features.selectivity.report",
    "rlvis.features.unit_statistics": "rlvis.features.selectivity.statistics",
    "rlvis.features.windows": "rlvis.instrument.dependence.windows",
    "rlvis.features.zeiler_fergus": "rlvis.features.projection.zeiler_fergus",
    "rlvis.frames": "rlvis.images.frames",
    "rlvis.layers": "rlvis.instrument.layers",
    "rlvis.model": "rlvis.models.image_model",
    "rlvis.policy": "rlvis.models.policy",
    "rlvis.preprocess": "rlvis.images.preprocess",
    "rlvis.providers": "rlvis.rollouts.providers",
    "rlvis.recorder": "rlvis.rollouts.recorder",
    "rlvis.recording": "rlvis.rollouts.recording",
    "rlvis.recording_contents": "rlvis.rollouts.contents",
    "rlvis.recording_header": "rlvis.rollouts.header",
    "rlvis.rectifiers": "rlvis.instrument.relu_rules",
    "rlvis.replica": "rlvis.models.replica",
    "rlvis.rollout": "rlvis.rollouts.episode",
    "rlvis.store": "rlvis.rollouts.store",
    "rlvis.stored_episode": "rlvis.rollouts.stored_episode",
    "rlvis.subpixel": "rlvis.instrument.strided_conv",
    "rlvis.success": "rlvis.rollouts.success",
    "rlvis.targets": "rlvis.models.targets",
    "rlvis.timm_classifiers": "rlvis.zoo.timm_models",
    "rlvis.tokens": "rlvis.instrument.feature_layout",
    "rlvis.wrappers": "rlvis.rollouts.wrappers",
    "rlvis_agents.config": "rlvis_agents.training.config",
    "rlvis_agents.pickles": "rlvis_agents.safe_reading.pickles",
    "rlvis_agents.ppo": "rlvis_agents.training.ppo",
    "rlvis_agents.progress": "rlvis_agents.training.progress",
    "rlvis_agents.reading": "rlvis_agents.safe_reading.reading",
    "rlvis_agents.sb3_actions": "rlvis_agents.sb3.action_heads",
    "rlvis_agents.sb3_archive": "rlvis_agents.sb3.archive",
    "rlvis_agents.sb3_networks": "rlvis_agents.sb3.networks",
    "rlvis_agents.sb3_rebuild": "rlvis_agents.sb3.rebuild",
    "rlvis_agents.sb3_spaces": "rlvis_agents.sb3.spaces",
    "rlvis_agents.sb3_trusted": "rlvis_agents.sb3.trusted",
    "rlvis_agents.sb3_zip": "rlvis_agents.sb3.zip_file",
    "rlvis_agents.tensors": "rlvis_agents.safe_reading.tensors",
    "rlvis_agents.vec_normalize": "rlvis_agents.sb3.vec_normalize",
    "rlvis_agents.zoo": "rlvis_agents.sb3.rl_zoo",
    "rlvis_envs.framebuffer": "rlvis_envs.render.framebuffer",
    "rlvis_envs.gl": "rlvis_envs.render.gl",
    "rlvis_envs.renderer": "rlvis_envs.render.renderer",
    "rlvis_envs.top_view": "rlvis_envs.render.top_view",
}


class _Forwarding(MetaPathFinder, Loader):
    """Finds a module by its former name: an empty one whose attributes are those of the new."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        new = MOVED[module.__name__]
        warnings.warn(f"{module.__name__} is now {new}", DeprecationWarning, stacklevel=2)
        found = import_module(new)
        module.__dict__.update(__getattr__=partial(getattr, found), __dir__=partial(dir, found))


def keep_former_names() -> None:
    """Let modules be imported by their former names, too."""
    if not any(isinstance(each, _Forwarding) for each in sys.meta_path):
        sys.meta_path.append(_Forwarding())
