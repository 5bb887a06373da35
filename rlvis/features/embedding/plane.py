"""Codes laid out in the plane: t-SNE (van der Maaten & Hinton 2008) or principal components."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rlvis.errors import InputError
from rlvis.features.embedding.layer_codes import Codes
from rlvis.features.image_sets.checkpoint import load_state, save_state, stopped
from rlvis.files import save_arrays
from rlvis.interrupt import Stopped, interruptible

Layout = Literal["tsne", "pca"]
NEIGHBOURS = 15
_EARLY, _ITERATIONS, _CHUNK = 250, 500, 50
_MOST_MEASURED, _FEWEST = 5000, 8
_FEW, _MANY = 2000, 10000
"""Below the one a thread is quicker than all, below the other a tree is than a grid."""


@dataclass(frozen=True)
class Embedding:
    """Codes in the plane.

    Attributes:
        codes: of the images.
        points: float32 (N, 2).
        method: how, with its settings.
        neighbours: how many nearest others both measures below look at: `NEIGHBOURS`, or fewer
            where there are few images.
        trustworthiness: 0..1, how far the neighbours in the plane are neighbours among the codes
            (Venna & Kaski 2001, eq. 2).
        preserved: 0..1, the share of the nearest codes of an image that are among its nearest in
            the plane. Both are measured on at most 5,000 images, evenly drawn.
    """

    codes: Codes = field(repr=False)
    points: np.ndarray = field(repr=False)
    method: str
    neighbours: int
    trustworthiness: float
    preserved: float

    def save_data(self, path: str | Path) -> Path:
        """Write points and codes (.npz or .safetensors) and return the path."""
        return save_arrays(
            path, points=self.points, codes=self.codes.values, indices=self.codes.indices
        )


def embed(
    codes: Codes,
    method: Layout = "tsne",
    *,
    perplexity: float = 30,
    seed: int = 0,
    state: str | Path | None = None,
    resume: bool = False,
    on_step: Callable[[int, int], None] | None = None,
) -> Embedding:
    """Lay codes out in the plane.

    Args:
        codes: of at least 8 images.
        method: "tsne" or "pca".
        perplexity: of t-SNE, how many neighbours each image has, smoothly counted.
        seed: of t-SNE.
        state: a file (.npz) in which t-SNE keeps its progress when it is stopped; removed at the
            end.
        resume: go on from that file (the optimizer's momentum starts anew).
        on_step: called with the iterations done and wanted.

    Raises:
        InputError: if there are too few codes, the perplexity is too large for them, the method
            does not exist, the extra that has t-SNE is missing, or `state` holds other work.
        Stopped: after Ctrl-C, the state having been kept.
    """
    count = len(codes.values)
    check_layout(count, method, perplexity)
    if not np.isfinite(codes.values).all():
        raise InputError("the codes are not finite; check the network")
    if resume and state is None:
        raise InputError("to resume, name the file in which the unfinished work is")
    if method == "pca":
        points, share = principal_components(codes.values)
        name = f"principal components, {share:.0%} of the variance"
    else:
        points = _tsne(
            codes.values, perplexity, seed, Path(state) if state else None, resume, on_step
        )
        name = f"t-SNE, perplexity {perplexity:g}"
    few = evenly(count)
    values, shown = codes.values[few], points[few]
    nearest = neighbours(values), neighbours(shown)
    return Embedding(
        codes,
        points,
        name,
        nearest[0].shape[1],
        trustworthiness(values, shown),
        _shared(*nearest),
    )


def check_layout(count: int, method: str, perplexity: float) -> None:
    """Whether so many images can be laid out so; see `embed`.

    Raises:
        InputError: if not.
    """
    if not (find_spec("openTSNE") and find_spec("sklearn")):
        raise InputError("laying codes out needs openTSNE; pip install 'rlvis[embed]'")
    if count < _FEWEST:
        raise InputError(f"{count} images cannot be laid out; give at least {_FEWEST}")
    if method not in ("tsne", "pca"):
        raise InputError(f"no layout {method!r}; choose tsne or pca")
    if method == "tsne" and not 1 <= perplexity <= (count - 1) / 3:
        raise InputError(
            f"a perplexity of {perplexity:g} does not fit {count} images; "
            f"take 1 to {(count - 1) // 3}"
        )


def evenly(count: int, most: int = _MOST_MEASURED) -> np.ndarray:
    """At most so many of `count` numbers, evenly drawn, int64."""
    return np.arange(0, count, -(-count // most))


def principal_components(values: np.ndarray) -> tuple[np.ndarray, float]:
    """The two directions of largest variance: points (N, 2) and their share of it."""
    centred = values.astype(np.float64) - values.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    energy = scale**2
    return (left * scale)[:, :2].astype(np.float32), float(energy[:2].sum() / energy.sum())


def neighbours(points: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
    """The nearest others of each point, int64 (N, count); at most half of them."""
    from sklearn.neighbors import NearestNeighbors

    count = min(count, (len(points) - 1) // 2)
    found = NearestNeighbors(n_neighbors=count).fit(points).kneighbors(return_distance=False)
    return np.asarray(found)


def trustworthiness(values: np.ndarray, points: np.ndarray) -> float:
    """See `Embedding.trustworthiness`."""
    from sklearn.manifold import trustworthiness as of_embedding

    count = min(NEIGHBOURS, (len(points) - 1) // 2)
    return float(of_embedding(values, points, n_neighbors=count))


def purity(nearest: np.ndarray, labels: np.ndarray) -> float:
    """The share of images' nearest others (N, k) that have the same label (N,)."""
    return float((labels[nearest] == labels[:, None]).mean())


def _shared(first: np.ndarray, second: np.ndarray) -> float:
    both = [len(np.intersect1d(*pair)) for pair in zip(first, second, strict=True)]
    return float(np.mean(both) / first.shape[1])


def _tsne(
    values: np.ndarray,
    perplexity: float,
    seed: int,
    state: Path | None,
    resume: bool,
    on_step: Callable[[int, int], None] | None,
) -> np.ndarray:
    import openTSNE

    affinities: Any = openTSNE.affinity.PerplexityBasedNN(
        values, perplexity=perplexity, random_state=seed, n_jobs=-1
    )
    start, done = openTSNE.initialization.pca(values, random_state=seed), 0
    work = {
        "codes": f"{sha256(values.tobytes()).hexdigest()[:16]}",
        "perplexity": float(perplexity),
        "seed": seed,
    }
    if resume and state is not None:
        done, _, arrays = load_state(state, work)
        start = arrays["points"]
    embedding: Any = openTSNE.TSNEEmbedding(
        start,
        affinities,
        random_state=seed,
        n_jobs=1 if len(values) < _FEW else -1,
        negative_gradient_method="bh" if len(values) < _MANY else "fft",
    )
    wanted = _EARLY + _ITERATIONS
    with interruptible() as asked_to_stop:
        while done < wanted:
            early = done < _EARLY
            embedding.optimize(
                _CHUNK,
                exaggeration=12 if early else None,
                momentum=0.5 if early else 0.8,
                inplace=True,
            )
            done += _CHUNK
            if on_step:
                on_step(done, wanted)
            if asked_to_stop() and done < wanted:
                if state is not None:
                    save_state(state, work, done, {}, {"points": np.asarray(embedding)})
                raise Stopped(stopped(done, wanted, "iterations", state))
    if state is not None:
        state.unlink(missing_ok=True)
    return np.asarray(embedding, np.float32)
