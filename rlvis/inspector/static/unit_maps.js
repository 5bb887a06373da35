/** The values of a layer's units over the picture, as they come: bytes between two numbers. */

import { exact } from "./dom.js";
import { shareOf, valueAt } from "./heat.js";
import { row } from "./packs.js";

/** A unit's values, each a level between the least and the greatest. */
export const mapOf = (shown, unit) => {
  const { data, shape } = row(shown.channels, unit);
  const window = shareOf(shown.window, ...shown.size);
  return { data, shape, window, low: shown.low.data[unit], high: shown.high.data[unit] };
};

const valueOf = ({ data, low, high }, at) => low + (data[at] / 255) * (high - low);

/** A unit's map in greys, from the least to the greatest value of the layer. */
export function greysOf(map, [least, most]) {
  const { data, shape } = map;
  const image = new ImageData(shape[1], shape[0]);
  const range = most - least || 1;
  data.forEach((_, at) => {
    const grey = (255 * (valueOf(map, at) - least)) / range;
    image.data.fill(grey, at * 4, at * 4 + 3);
    image.data[at * 4 + 3] = 255;
  });
  return image;
}

/** A unit's map as `heatPixels` takes one. */
export const heatOf = (map) => ({
  levels: Float32Array.from(map.data, (_, at) => valueOf(map, at)),
  shape: map.shape,
  most: 127,
});

/** What a unit shows at a place of the picture, in words; null where it sees nothing of that. */
export function shownAt(map, x, y) {
  const value = valueAt(heatOf(map), map.window, x, y);
  return value === null ? null : `${exact(value)} here`;
}

/** The value of a unit at a place of its map, in words; null outside it. */
export function unitAt(map, x, y) {
  if (x < 0 || x > 1 || y < 0 || y > 1) return null;
  const [height, width] = map.shape;
  const column = Math.min(width - 1, Math.floor(x * width));
  const line = Math.min(height - 1, Math.floor(y * height));
  return `${exact(valueOf(map, line * width + column))} at x ${column}, y ${line} of the layer`;
}
