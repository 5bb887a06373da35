"""What has the network learned? Filters, strongest patches, units, codes, images it dreams of.

Examples:
    >>> import torch
    >>> from rlvis import ImageModel, Preprocess, features
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 8, 5),
    ...     torch.nn.ReLU(),
    ...     torch.nn.AdaptiveAvgPool2d(1),
    ...     torch.nn.Flatten(),
    ...     torch.nn.Linear(8, 2),
    ... )
    >>> model = ImageModel(network, ["cat", "dog"], Preprocess((32, 32)), name="pets")
    >>> features.filters(model).norms.shape  # of the first convolution
    (8,)
    >>> images = features.ArrayImages(torch.randint(256, (20, 32, 32, 3)).byte().numpy())
    >>> features.patches(model, images, ["1"], k=4).layer("1").values.shape
    (8, 4)
    >>> made = features.synthesize(model, "cat - dog", steps=3)
    >>> made.images.shape
    (1, 3, 32, 32)

`features.open_images` opens a folder of pictures, an array or a recording.

Every function names all its parameters itself, also those that many share (batch_size, state,
resume, on_progress), so that help() and editors show them; what they do is written once, in
`resumable` and `progress`.
"""

from rlvis.features.activations.maps import activation_maps
from rlvis.features.adversarial.attacked_policy import AttackedPolicy
from rlvis.features.adversarial.attacks import attack, smallest_attack
from rlvis.features.adversarial.result import attack_picture, save_attack, save_attack_data
from rlvis.features.embedding.layer_codes import codes
from rlvis.features.embedding.plane import embed, image_grid, scatter
from rlvis.features.image_sets.image_set import (
    ArrayImages,
    FolderImages,
    ImageSet,
    RecordingImages,
    mnist,
    open_images,
)
from rlvis.features.kernels.applied import apply_kernel
from rlvis.features.kernels.weights import filters
from rlvis.features.projection.backward import project, project_layers, projection_sheet
from rlvis.features.projection.zeiler_fergus import project_patches, strongest_projections
from rlvis.features.receptive_field.tracing import receptive_fields
from rlvis.features.selectivity.unit_selectivity import units
from rlvis.features.synthesis import objectives
from rlvis.features.synthesis.deep_dream import DreamSettings, dream, dream_film
from rlvis.features.synthesis.real_images import strongest
from rlvis.features.synthesis.visualization import save_synthesis, synthesize
from rlvis.features.top_patches.search import patches

__all__ = [
    "ArrayImages",
    "AttackedPolicy",
    "DreamSettings",
    "FolderImages",
    "ImageSet",
    "RecordingImages",
    "activation_maps",
    "apply_kernel",
    "attack",
    "attack_picture",
    "codes",
    "dream",
    "dream_film",
    "embed",
    "filters",
    "image_grid",
    "mnist",
    "objectives",
    "open_images",
    "patches",
    "project",
    "project_layers",
    "project_patches",
    "projection_sheet",
    "receptive_fields",
    "save_attack",
    "save_attack_data",
    "save_synthesis",
    "scatter",
    "smallest_attack",
    "strongest",
    "strongest_projections",
    "synthesize",
    "units",
]
