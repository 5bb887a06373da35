"""t-SNE of 5,000 digits beside scikit-learn's: time, and how trustworthy the result is.

    python -m scripts.benchmark_embed

The codes are the pixels, so that no network stands between. Both take a perplexity of 30 and as
many iterations (250 exaggerated, 750 in all), from the same kind of start; the times include the
measures that an embedding comes with.
"""

import time

import numpy as np
from sklearn.manifold import TSNE

from rlvis.features.embedding.layer_codes import Codes
from rlvis.features.embedding.neighbourhood import neighbours, trustworthiness
from rlvis.features.embedding.plane import embed
from rlvis.features.image_sets.image_set import mnist


def main() -> None:
    """Print both times, their ratio, and both measures."""
    images = mnist()
    pixels = np.stack([images.picture(index) for index in range(len(images))])
    values = pixels.reshape(len(images), -1).astype(np.float32) / 255
    codes = Codes("none", "pixels", images.name, "flatten", np.arange(len(images)), values)
    started = time.perf_counter()
    ours = embed(codes)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    theirs = TSNE(perplexity=30, init="pca", max_iter=750, random_state=0, n_jobs=-1)
    points = theirs.fit_transform(values)
    quality = trustworthiness(values, points)
    for each in (values, points):
        neighbours(each)
    theirs_seconds = time.perf_counter() - started
    print(
        f"rlvis {seconds:.1f} s, trustworthiness {ours.trustworthiness:.4f}; scikit-learn "
        f"{theirs_seconds:.1f} s, {quality:.4f}; {theirs_seconds / seconds:.2f}×"
    )


if __name__ == "__main__":
    main()
