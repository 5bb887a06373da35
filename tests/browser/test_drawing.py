"""The page draws maps where Python draws them."""

import numpy as np

from rlvis.images.places import Places, Side
from tests.browser.conftest import Opened

PLACES = {
    "unpadded": Places(
        Side(((0.3,), (0.5,), (0.7,)), 0.2, 0.3), Side(((0.2,), (0.4,), (0.6,), (0.8,)), 0.2, 0.2)
    ),
    "turned": Places(Side(((0.8,), (0.5,), (0.2,)), 0.3), Side.stretched(4)),
    "two places, and none": Places(
        Side(((0.1, 0.9), (), (0.5,)), 0.25, 0.1), Side(((0.2,), (0.4,), (0.6,), (0.8,)), 0.2, 1.0)
    ),
}


def test_values_at_places_are_those_of_python(opened: Opened) -> None:
    page, generator = opened(), np.random.default_rng(0)
    for name, places in PLACES.items():
        levels = generator.integers(-127, 128, places.grid)
        points = generator.random((40, 2))
        window = {"left": 0, "top": 0, "width": 1, "height": 1, "places": places.record()}
        shown = page.evaluate(
            """async ([levels, shape, window, points]) => {
                const { valueAt } = await import("/static/heat.js");
                const map = { levels, shape, most: 127 };
                return points.map(([x, y]) => valueAt(map, window, x, y));
            }""",
            [levels.ravel().tolist(), places.grid, window, points.tolist()],
        )
        across, down = points.T
        rows, columns = places.rows.weights_at(down), places.columns.weights_at(across)
        expected = np.einsum("nr,rc,nc->n", rows, levels, columns)
        np.testing.assert_allclose(shown, expected, atol=1e-3, err_msg=name)
