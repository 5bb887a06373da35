"""Codes laid out in the plane: t-SNE (van der Maaten & Hinton 2008) or principal components."""

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rlvis.errors import InputError
from rlvis.progress import OnProgress
from rlvis.resumable import ResumableWork

Layout = Literal["tsne", "pca"]
_EARLY, _ITERATIONS, _CHUNK = 250, 500, 50
_FEWEST = 8
_FEW, _MANY = 2000, 10000
"""Below the one a thread is quicker than all, below the other a tree is than a grid."""


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


def principal_components(values: np.ndarray) -> tuple[np.ndarray, float]:
    """The two directions of largest variance: points (N, 2) and their share of it."""
    centred = values.astype(np.float64) - values.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    energy = scale**2
    return (left * scale)[:, :2].astype(np.float32), float(energy[:2].sum() / energy.sum())


def tsne(
    values: np.ndarray,
    perplexity: float,
    seed: int,
    state: str | Path | None,
    resume: bool,
    on_progress: OnProgress,
) -> np.ndarray:
    """Points (N, 2) of codes (N, F); see `plane.embed`.

    Raises:
        InputError: if `state` holds other work.
        Stopped: if `on_progress` raised KeyboardInterrupt, the state having been kept.
    """
    import openTSNE

    settings = {
        "codes": sha256(values.tobytes()).hexdigest()[:16],
        "perplexity": float(perplexity),
        "seed": seed,
    }
    wanted = _EARLY + _ITERATIONS
    work = ResumableWork("t-SNE", "iterations", wanted, settings, state, resume, on_progress)
    affinities: Any = openTSNE.affinity.PerplexityBasedNN(
        values, perplexity=perplexity, random_state=seed, n_jobs=-1
    )
    if work.kept:
        start = work.kept["points"]
    else:
        start = openTSNE.initialization.pca(values, random_state=seed)
    embedding: Any = openTSNE.TSNEEmbedding(
        start,
        affinities,
        random_state=seed,
        n_jobs=1 if len(values) < _FEW else -1,
        negative_gradient_method="bh" if len(values) < _MANY else "fft",
    )
    while work.done < wanted:
        early = work.done < _EARLY
        embedding.optimize(
            _CHUNK,
            exaggeration=12 if early else None,
            momentum=0.5 if early else 0.8,
            inplace=True,
        )
        work.advance(work.done + _CHUNK, lambda: {"points": np.asarray(embedding)})
    work.remove()
    return np.asarray(embedding, np.float32)
