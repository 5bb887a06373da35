"""Draw the gallery: what three networks have learned, every picture with a statement it shows.

    python -m scripts.draw_gallery            all of it, some minutes
    python -m scripts.draw_gallery digits     one chapter

It takes the shipped policy cube-reach, EfficientNet-Lite0 with its ImageNet weights and a network
for handwritten digits that it trains first, writes the pictures to docs/gallery and the text, whose
numbers are measured here, to docs/gallery.md.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import rlvis
from rlvis.features.adversarial.attacked_policy import AttackedPolicy
from rlvis.features.adversarial.attacks import attack, smallest_attack
from rlvis.features.adversarial.result import attack_picture
from rlvis.features.embedding.layer_codes import codes
from rlvis.features.embedding.neighbourhood import neighbours, purity
from rlvis.features.embedding.plane import embed, image_grid, scatter
from rlvis.features.image_sets.image_set import FolderImages, RecordingImages, mnist
from rlvis.features.kernels.applied import apply_kernel
from rlvis.features.kernels.weights import filters
from rlvis.features.projection.backward import projection_sheet
from rlvis.features.projection.zeiler_fergus import strongest_projections
from rlvis.features.selectivity.unit_selectivity import units
from rlvis.features.synthesis.deep_dream import dream
from rlvis.features.synthesis.real_images import strongest
from rlvis.features.synthesis.visualization import synthesis_sheet, synthesize
from rlvis.features.top_patches.search import patches
from rlvis.file_kinds import save_picture
from rlvis.zoo.digits import LABELS, PREPROCESS
from rlvis_agents import evaluate, load_policy
from scripts import train_mnist

DOCS = Path(__file__).parent.parent / "docs"
WORLD = "rlvis_envs:CubeReach-v0"
SEED = 1_000
DIGITS = "--model digits --weights out/mnist.safetensors"
COMMANDS = {
    "cube-units": (
        "rlvis features units out/frames.zarr --model cube-reach --layer features.relu3 "
        "--by cube_on_left --by cube_on_right --rows 4 --out units.png"
    ),
    "cube-codes": (
        "rlvis features embed out/frames.zarr --model cube-reach --colour action --out codes.png"
    ),
    "cube-grid": (
        "rlvis features embed out/frames.zarr --model cube-reach --colour action --grid grid.png"
    ),
    "cube-synthesis": (
        "rlvis features synthesize left forward right --model cube-reach --count 4 "
        "--steps 256 --images out/frames.zarr --out likes.png"
    ),
    "cube-attack": (
        "rlvis features attack --model cube-reach --images out/frames.zarr --count 3 "
        "--attribution cam --out attack.png"
    ),
    "net-filters": "rlvis features filters --out filters.png",
    "edge": "rlvis features filters --image docs/photos/cat.jpg --kernel edge --out edge.png",
    "net-patches": (
        "rlvis features patches out/photos --layer _blocks.4 --count 5 --rows 8 --out patches.png"
    ),
    "net-patches-whole": (
        "rlvis features patches out/photos --layer _bn1 --count 5 --rows 5 --whole --out whole.png"
    ),
    "net-projection": (
        "rlvis features project docs/photos/cat.jpg --layer _conv_stem --layer _blocks.2 "
        "--layer _blocks.4 --rule deconvnet --out projection.png"
    ),
    "net-synthesis": (
        "rlvis features synthesize espresso 'Egyptian cat' missile --count 2 --steps 256 "
        "--out classes.png"
    ),
    "net-dream": "rlvis features dream docs/photos/cat.jpg --what _blocks.8 --out dream.png",
    "net-attack": (
        "rlvis features attack docs/photos/cat.jpg --eps 0.0078 --target espresso --out attack.png"
    ),
    "digits-codes": f"rlvis features embed mnist {DIGITS} --out codes.png",
    "digits-grid": f"rlvis features embed mnist {DIGITS} --grid grid.png",
    "digits-units": (
        f"rlvis features units mnist {DIGITS} --layer features.relu3 --rows 5 --out units.png"
    ),
    "digits-zeiler-fergus": (
        f"rlvis features project --images mnist {DIGITS} --layer features.relu2 --layer "
        "features.relu3 --out projections.png"
    ),
    "digits-synthesis": (
        f"rlvis features synthesize 0 1 3 7 {DIGITS} --count 4 --steps 384 --images mnist "
        "--out digits.png"
    ),
    "digits-attack": f"rlvis features attack --images mnist {DIGITS} --count 3 --out attack.png",
}
"""What makes the like of each picture."""


@dataclass(frozen=True)
class Exhibit:
    """A picture and what it shows.

    Attributes:
        name: of its file.
        picture: the page.
        title: a few words.
        text: a statement with numbers measured here.
        command: makes the like of it.
    """

    name: str
    picture: Image.Image
    title: str
    text: str
    command: str


def policy() -> list[Exhibit]:
    """The shipped policy cube-reach, on frames of its own episodes."""
    agent = load_policy("cube-reach")
    recording = rlvis.record(agent, WORLD, episodes=20, seed=SEED, methods=["cam"], render=False)
    frames = RecordingImages(recording)
    return [
        _cube_units(agent, frames),
        *_cube_codes(agent, frames),
        _cube_dreams(agent, frames),
        _cube_attack(agent, recording),
    ]


def _cube_units(agent: rlvis.Policy, frames: RecordingImages) -> Exhibit:
    layer = "features.relu3"
    sides = ["cube_on_left", "cube_on_right"]
    found = units(agent, frames, [layer], by=sides)
    areas = found.layer(layer).roc_auc
    best = areas.argmax(axis=0)
    told = " and ".join(
        f"unit {best[column]} for {name} (area under the ROC curve {areas[:, column].max():.3f})"
        for column, name in enumerate(sides)
    )
    return Exhibit(
        "cube-units",
        found.picture(layer, most=4),
        "Which units know where the cube is",
        f"The environment tells on which side the cube is, the policy does not hear it: yet single "
        f"units of its last layer know. Best are {told}. Their strongest patches show the cube at "
        "that side of the picture, with the receptive field cut at its border.",
        COMMANDS["cube-units"],
    )


def _cube_codes(agent: rlvis.Policy, frames: RecordingImages) -> list[Exhibit]:
    found = codes(agent, frames)
    placed = embed(found)
    near = neighbours(found.values)
    same = purity(near, frames.labels[found.indices])
    seen = purity(near, frames.metadata["cube_in_view"][found.indices])
    return [
        Exhibit(
            "cube-codes",
            scatter(placed, frames, "action"),
            "Does the code space separate the actions?",
            f"Yes: of the 15 frames with the nearest codes {same:.0%} prefer the same action, and "
            f"{seen:.0%} agree on whether the cube is in view.",
            COMMANDS["cube-codes"],
        ),
        Exhibit(
            "cube-grid",
            image_grid(placed, frames, "action"),
            "The same frames at their places",
            "Framed by the preferred action. Where no cube is to be seen the policy turns left; it "
            "walks where the cube is ahead, and the cube grows along the way.",
            COMMANDS["cube-grid"],
        ),
    ]


def _cube_dreams(agent: rlvis.Policy, frames: RecordingImages) -> Exhibit:
    made, real, sides = [], [], []
    for action in agent.labels:
        one = synthesize(agent, action, count=4, steps=256)
        red = one.images[:, 0] - one.images[:, 1:].mean(axis=1)
        mass = red.clip(0.3) - 0.3
        place = (mass * np.arange(mass.shape[-1])).sum() / mass.sum() / (mass.shape[-1] - 1)
        sides.append(f"{place:.0%} for {action}")
        made.append(one)
        real.append(strongest(agent, frames, action, 8))
    return Exhibit(
        "cube-synthesis",
        synthesis_sheet(made, real),
        "Images that each action likes best",
        "Made from nothing by gradient ascent; under them the real frames with the highest score. "
        "The network asks for red, and where: the middle of the redness, from the left edge, is at "
        f"{', '.join(sides)} of the width.",
        COMMANDS["cube-synthesis"],
    )


def _cube_attack(agent: rlvis.Policy, recording: rlvis.Recording) -> Exhibit:
    seen = recording.episode(0).observations
    chosen = [0, len(seen) // 2, len(seen) - 3]
    found = [smallest_attack(agent, seen[step]) for step in chosen]
    played = {
        size: evaluate(AttackedPolicy(agent, size / 255, method="fgsm"), WORLD, 100, seed=SEED)
        for size in (1, 2, 4, 8)
    }
    clean = evaluate(agent, WORLD, 100, seed=SEED)
    falls = ", ".join(f"{each.success_rate or 0:.0%} at {size}" for size, each in played.items())
    sizes = ", ".join(f"{float(each.eps) * 255:.1f}" for each in found)
    return Exhibit(
        "cube-attack",
        attack_picture(agent, found, "cam"),
        "How much it takes to mislead it",
        f"The smallest changes that turn these three decisions are {sizes} grey levels of 255. "
        f"Unattacked it succeeds in {clean.success_rate or 0:.0%} of 100 episodes, with every "
        f"frame attacked by FGSM in {falls} grey levels.",
        COMMANDS["cube-attack"],
    )


def classifier() -> list[Exhibit]:
    """EfficientNet-Lite0 on the photos of scikit-image."""
    model = rlvis.load_classifier("efficientnet-lite0")
    cat = DOCS / "photos" / "cat.jpg"
    kernels = filters(model)
    dead = np.flatnonzero(kernels.dead)
    with tempfile.TemporaryDirectory() as folder:
        photos = FolderImages(_photos(Path(folder, "photos")))
        found = patches(model, photos, ["_blocks.4", "_bn1"], 5)
        unit = int(found.layers["_bn1"].values[:, 0].argmax())
        title = photos.title(int(found.layers["_bn1"].images[unit, 0]))
        first, second = found.layers["_bn1"].values[unit, :2]
        page = found.picture("_blocks.4", most=8)
        whole = found.picture("_bn1", most=5, whole=True)
    projected, _ = projection_sheet(
        model, cat, ["_conv_stem", "_blocks.2", "_blocks.4"], "deconvnet"
    )
    made = [
        synthesize(model, name, count=2, steps=256)
        for name in ("espresso", "Egyptian cat", "missile")
    ]
    right = [
        float(
            (model.scores(_as_uint8(each.images)).logits.argmax(1) == _index(model, each.objective))
            .float()
            .mean()
        )
        for each in made
    ]
    turned = attack(model, cat, eps=2 / 255, target="espresso")
    probability = float(turned.after.probabilities[0, _index(model, "espresso")])
    edge = apply_kernel(np.asarray(rlvis.load_image(cat)), "edge")
    return [
        Exhibit(
            "net-filters",
            kernels.picture(),
            "Its first filters, and which are dead",
            f"{len(dead)} of the {len(kernels.weights)} kernels ({', '.join(map(str, dead))}) have "
            "weights so small that nothing gets through; the others find edges and colours.",
            COMMANDS["net-filters"],
        ),
        Exhibit(
            "edge",
            edge.picture(),
            "What a kernel does",
            "The classical edge kernel: its weights sum to 0, so even areas turn black.",
            COMMANDS["edge"],
        ),
        Exhibit(
            "net-patches",
            page,
            "The patches that excite units of the fifth block most",
            f"Of {len(photos)} photos, along exact receptive fields.",
            COMMANDS["net-patches"],
        ),
        Exhibit(
            "net-patches-whole",
            whole,
            "The last layer sees most of a picture",
            f"Unit {unit} answers to {title} with {first:.1f}, to the next photo with "
            f"{second:.1f}.",
            COMMANDS["net-patches-whole"],
        ),
        Exhibit(
            "net-projection",
            projected,
            "Back to pixels",
            "Each unit's strongest activation on the cat, projected back by the deconvnet: single "
            "kernels in the first layer, eyes, nose and whiskers by the fifth block.",
            COMMANDS["net-projection"],
        ),
        Exhibit(
            "net-synthesis",
            synthesis_sheet(made),
            "Class visualization",
            "The network itself is convinced: it names "
            + ", ".join(
                f"{share:.0%} of the images for {each.objective}"
                for share, each in zip(right, made, strict=True)
            )
            + " as what they were made for.",
            COMMANDS["net-synthesis"],
        ),
        Exhibit(
            "net-dream",
            dream(model, "_blocks.8", cat).picture(),
            "What the ninth block sees in a cat",
            "DeepDream with the original's settings: fur turns into scales and eyes.",
            COMMANDS["net-dream"],
        ),
        Exhibit(
            "net-attack",
            attack_picture(model, [turned]),
            "A cat that is an espresso",
            f"A change of at most 2 grey levels of 255, found by PGD in 20 steps, makes it an "
            f"espresso with {probability:.0%}.",
            COMMANDS["net-attack"],
        ),
    ]


def digits() -> list[Exhibit]:
    """A network for handwritten digits, trained now."""
    network = train_mnist.train(12)
    right = train_mnist.accuracy(network)
    model = rlvis.ImageModel(network, LABELS, PREPROCESS, name="digits")
    images = mnist()
    layer = "features.relu3"
    found = codes(model, images)
    placed = embed(found)
    same = purity(neighbours(found.values), images.labels[found.indices])
    asked = units(model, images, [layer])
    of_layer = asked.layer(layer)
    best = int(of_layer.area.argmax())
    made = [synthesize(model, digit, count=4, steps=384) for digit in "0137"]
    named = [
        float(
            (model.scores(_as_uint8(each.images)).logits.argmax(1) == int(each.objective))
            .float()
            .mean()
        )
        for each in made
    ]
    real = [strongest(model, images, each.objective, 8) for each in made]

    def best_real(digit: str) -> float:
        members = np.flatnonzero(images.labels == int(digit))
        pictures = np.stack([images.picture(int(index)) for index in members])
        return float(model.scores(pictures).logits[:, int(digit)].max())

    small = smallest_attack(model, np.stack([images.picture(index) for index in (510, 1510, 3510)]))
    sizes = ", ".join(f"{float(each) * 255:.0f}" for each in small.eps)
    return [
        Exhibit(
            "digits-codes",
            scatter(placed, images),
            "Ten digits, ten islands",
            f"Trained in seconds, it names {right:.1%} of 1,000 held-out digits rightly; of the 15 "
            f"nearest codes of an image {same:.0%} are of the same digit.",
            COMMANDS["digits-codes"],
        ),
        Exhibit(
            "digits-grid",
            image_grid(placed, images),
            "Which digits lie where islands meet",
            "Every second digit at its place.",
            COMMANDS["digits-grid"],
        ),
        Exhibit(
            "digits-units",
            asked.picture(layer, most=5),
            "What single units tell",
            f"Unit {best} tells {of_layer.classes.names[of_layer.preferred[best]]} from the rest "
            f"with an area under the ROC curve of {of_layer.area[best]:.3f}, although "
            f"{len(of_layer.always)} of {len(of_layer.firing)} units fire for nearly every digit.",
            COMMANDS["digits-units"],
        ),
        Exhibit(
            "digits-zeiler-fergus",
            strongest_projections(model, patches(model, images, ["features.relu2", layer], 9)),
            "Strongest patches and their projections",
            "Strokes and bends in the second layer, whole digits in the third.",
            COMMANDS["digits-zeiler-fergus"],
        ),
        Exhibit(
            "digits-synthesis",
            synthesis_sheet(made, real),
            "Images that each digit likes best",
            "What a network likes best need not look like anything: of the images made for "
            + ", ".join(
                f"{each.objective} it names {share:.0%}"
                for each, share in zip(made, named, strict=True)
            )
            + " as that digit. The best ones made score "
            + ", ".join(f"{each.values.max():.1f}" for each in made)
            + ", the best real ones "
            + ", ".join(f"{best_real(each.objective):.1f}" for each in made)
            + ".",
            COMMANDS["digits-synthesis"],
        ),
        Exhibit(
            "digits-attack",
            attack_picture(model, [small]),
            "The smallest changes",
            f"It takes {sizes} grey levels of 255 to turn these three; the cat above took less "
            "than 2.",
            COMMANDS["digits-attack"],
        ),
    ]


def _photos(folder: Path) -> Path:
    """The colour photos that scikit-image ships, in a folder."""
    from skimage import data

    folder.mkdir(parents=True, exist_ok=True)
    for name in (
        "astronaut",
        "chelsea",
        "coffee",
        "rocket",
        "hubble_deep_field",
        "retina",
        "brick",
    ):
        Image.fromarray(getattr(data, name)()).convert("RGB").save(folder / f"{name}.png")
    return folder


def _as_uint8(images: np.ndarray) -> np.ndarray:
    return (images.transpose(0, 2, 3, 1) * 255).round().astype(np.uint8)


def _index(model: rlvis.ImageModel, label: str) -> int:
    return model.labels.index(label)


CHAPTERS: dict[str, tuple[str, str, Callable[[], list[Exhibit]]]] = {
    "policy": (
        "The shipped policy `cube-reach`",
        "rlvis record --policy cube-reach --episodes 20 --seed 1000 --method cam --no-render "
        "--out out/frames.zarr",
        policy,
    ),
    "classifier": (
        "EfficientNet-Lite0",
        "python -m scripts.draw_gallery --photos out/photos",
        classifier,
    ),
    "digits": (
        "A network for digits, trained in seconds",
        "python scripts/train_mnist.py --out out/mnist.safetensors",
        digits,
    ),
}
"""For each its heading, what its commands need first, and what draws it."""


def _shown(command: str) -> list[str]:
    return ["```console", command, "```"]


def main() -> None:
    """Draw the chapters asked for, and the text of all that are drawn at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*", choices=[*CHAPTERS, []], default=[])
    parser.add_argument("--out", type=Path, default=DOCS)
    parser.add_argument("--photos", type=Path, help="only write the photos to this folder")
    asked = parser.parse_args()
    if asked.photos:
        print(_photos(asked.photos))
        return
    torch.manual_seed(0)
    lines = [
        "# What three networks have learned",
        "",
        "Made by `python -m scripts.draw_gallery`, numbers included. Under each picture stands a "
        "command that makes the like of it, at the head of each chapter what these need first.",
    ]
    for name in asked.chapters or CHAPTERS:
        heading, first, draw = CHAPTERS[name]
        lines += ["", f"## {heading}", "", *_shown(first)]
        for each in draw():
            path = asked.out / "gallery" / f"{each.name}.webp"
            print(save_picture(each.picture, path))
            link = path.relative_to(asked.out)
            lines += ["", f"### {each.title}", "", each.text, "", f"![{each.title}]({link})"]
            lines += ["", *_shown(each.command)]
    if not asked.chapters:
        text = asked.out / "gallery.md"
        text.write_text("\n".join(lines) + "\n")
        print(text)


if __name__ == "__main__":
    main()
