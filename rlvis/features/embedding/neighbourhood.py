"""Who is near whom among codes and in the plane, and how far the two agree."""

import numpy as np

NEIGHBOURS = 15
_MOST_MEASURED = 5000


def evenly(count: int, most: int = _MOST_MEASURED) -> np.ndarray:
    """At most so many of `count` numbers, evenly drawn, int64."""
    return np.arange(0, count, -(-count // most))


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


def chance(labels: np.ndarray) -> float:
    """The share of all others of an image that have its label (N,), in the mean."""
    sizes = np.bincount(labels)
    return float((sizes * (sizes - 1)).sum() / (len(labels) * (len(labels) - 1)))


def ceiling(labels: np.ndarray, count: int) -> float:
    """The largest `purity` there can be of so many nearest others, given how large classes are."""
    sizes = np.bincount(labels)
    return float((sizes * np.minimum(sizes - 1, count)).sum() / (len(labels) * count))


def shared(first: np.ndarray, second: np.ndarray) -> float:
    """The share of nearest others (N, k) that are among other nearest others (N, k)."""
    both = [len(np.intersect1d(*pair)) for pair in zip(first, second, strict=True)]
    return float(np.mean(both) / first.shape[1])
