/** Heatmaps over pictures: maps brought to a picture's size, coloured, laid over its greys. */

import { heatTable } from "./colours.js";

const BINS = 2048;
const LOW = -20;
const PER_BIN = 40 / BINS;
const STRONGEST = 0.995;

/** How often absolute values of some size occur, to find the one that is drawn at full strength. */
export class Strengths {
  #counts = new Float64Array(BINS);
  #total = 0;
  #seen = new Set();
  #limit = null;

  /** Count the maps of a block once: int8 levels (…, h, w) and what 127 stands for in each. */
  add(name, maps, scale) {
    if (this.#seen.has(name)) return;
    this.#seen.add(name);
    this.#limit = null;
    const size = maps.data.length / scale.data.length;
    scale.data.forEach((most, place) => {
      this.#count(maps.data.subarray(place * size, (place + 1) * size), most / 127);
    });
  }

  #count(levels, unit) {
    const often = new Uint32Array(128);
    for (const level of levels) often[Math.abs(level)] += 1;
    often.forEach((count, level) => {
      if (count) this.#counts[binOf(level * unit)] += count;
    });
    this.#total += levels.length;
  }

  /** The 99.5 % quantile of what was counted. */
  limit() {
    this.#limit ??= this.#quantile();
    return this.#limit;
  }

  #quantile() {
    let left = this.#total * (1 - STRONGEST);
    for (let bin = BINS - 1; bin > 0; bin -= 1) {
      left -= this.#counts[bin];
      if (left < 0) return Math.exp(LOW + (bin + 0.5) * PER_BIN);
    }
    return 0;
  }
}

const binOf = (value) =>
  value > 0 ? Math.min(BINS - 1, Math.max(1, Math.floor((Math.log(value) - LOW) / PER_BIN))) : 0;

/** The 99.5 % quantile of the maps at hand. */
export function limitOf(maps) {
  const strengths = new Strengths();
  maps.forEach(({ levels, shape, most }, place) => {
    strengths.add(place, { data: levels, shape }, { data: [most] });
  });
  return strengths.limit();
}

/** Where rows or columns of a picture lie between those of a map.
 *
 * `low` is the one before and `share` how far beyond it, for the places from `first` to before
 * `last`: those that the map covers.
 */
function places(from, to, start, length) {
  const [top, size] = [start * to, length * to];
  const first = Math.max(0, Math.ceil(top - 0.5));
  const last = Math.min(to, Math.floor(top + size - 0.5) + 1);
  const low = new Int32Array(to);
  const share = new Float32Array(to);
  for (let at = first; at < last; at += 1) {
    const place = Math.min(from - 1, Math.max(0, ((at + 0.5 - top) / size) * from - 0.5));
    low[at] = Math.min(Math.floor(place), Math.max(0, from - 2));
    share[at] = place - low[at];
  }
  return { low, share, first, last };
}

/** How much a place of the input, a share of its side, shows of each of the cells along it.
 *
 * As `Side.weights` in rlvis/images/places.py; `width` is that of a pixel.
 */
function weightsAt(place, { cells, pitch, reach }, width) {
  const near = Math.max(pitch, width);
  const far = Math.max(reach, near);
  const distances = cells.map((middles) => middles.map((each) => Math.abs(place - each)));
  const nearest = Math.min(...distances.flat());
  const weights = distances.map((each) =>
    nearest < near
      ? each.reduce((sum, off) => sum + Math.max(0, 1 - off / near), 0)
      : Number(Math.min(...each) <= nearest),
  );
  const covered = weights.reduce((sum, each) => sum + each, 0);
  const seen = Math.min(1, Math.max(0, (far - nearest) / (far - near / 2)));
  return weights.map((each) => (each / covered) * seen);
}

/** Where pixels look along a side of the input, null beyond it, and what they show of its cells. */
function placed(side, pixels, start, length, flipped) {
  const width = 1 / pixels / length;
  return Array.from({ length: pixels }, (_, at) => {
    const share = ((at + 0.5) / pixels - start) / length;
    if (share < 0 || share > 1) return null;
    return weightsAt(flipped ? 1 - share : share, side, width);
  });
}

const evenly = (count) => ({
  cells: Array.from({ length: count }, (_, at) => [(at + 0.5) / count]),
  pitch: 1 / count,
  reach: 0,
});

/** As `heatPixels`, of a map whose cells do not divide the window evenly. */
function placedPixels(map, image, window, colour) {
  const [h, w] = map.shape;
  const { width, height } = image;
  const pixels = new Uint32Array(image.data.buffer);
  const { places } = window;
  const [top, left] = [places?.rows ?? evenly(h), places?.columns ?? evenly(w)];
  const down = placed(top, height, window.top, window.height, window.flippedRows);
  const across = placed(left, width, window.left, window.width, window.flippedColumns);
  const lines = Array.from({ length: h }, (_, row) =>
    across.map((weights) =>
      weights ? weights.reduce((sum, each, at) => sum + each * map.levels[row * w + at], 0) : 0,
    ),
  );
  down.forEach((weights, y) => {
    if (!weights) return;
    across.forEach((seen, x) => {
      if (!seen) return;
      pixels[y * width + x] = colour(
        weights.reduce((sum, each, row) => (each ? sum + each * lines[row][x] : sum), 0),
      );
    });
  });
  return image;
}

/** Colours of a map at a picture's size.
 *
 * `map` is `{levels, shape: [h, w], most}`, `window` the part of the picture it lies over in shares
 * of it, `limit` the value drawn at full strength.
 */
export function heatPixels(map, width, height, window, limit, signed, opacity) {
  const image = new ImageData(width, height);
  if (!(limit > 0)) return image;
  const [h, w] = map.shape;
  const pixels = new Uint32Array(image.data.buffer);
  const table = heatTable(signed, opacity);
  const gain = (map.most / 127 / limit) * (signed ? 127.5 : 255);
  const zero = signed ? 127.5 : 0;
  if (window.places || window.flippedRows || window.flippedColumns) {
    const colour = (level) => table[Math.max(0, Math.min(255, level * gain + zero)) | 0];
    return placedPixels(map, image, window, colour);
  }
  const across = places(w, width, window.left, window.width);
  const down = places(h, height, window.top, window.height);
  const below = h > 1 ? w : 0;
  const line = new Float32Array(w + 1);
  for (let y = down.first; y < down.last; y += 1) {
    const [from, v] = [down.low[y] * w, down.share[y]];
    for (let x = 0; x < w; x += 1) {
      const upper = map.levels[from + x];
      line[x] = (upper + (map.levels[from + below + x] - upper) * v) * gain + zero;
    }
    for (let x = across.first, at = y * width + x; x < across.last; x += 1, at += 1) {
      const left = line[across.low[x]];
      const level = left + (line[across.low[x] + 1] - left) * across.share[x];
      pixels[at] = table[level < 0 ? 0 : level > 255 ? 255 : level | 0];
    }
  }
  return image;
}

/** A picture (H, W, 3) as pixels of a canvas, in its own colours or in greys. */
export function picturePixels({ data, shape }, grey = false) {
  const [height, width, channels = 1] = shape.length === 2 ? [...shape, 1] : shape;
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; to < image.data.length; from += channels, to += 4) {
    let [red, green, blue] = [
      data[from],
      data[from + (channels > 1)],
      data[from + 2 * (channels > 1)],
    ];
    if (grey) red = green = blue = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    image.data[to] = red;
    image.data[to + 1] = green;
    image.data[to + 2] = blue;
    image.data[to + 3] = 255;
  }
  return image;
}

/** The share of a picture that a map's window covers, and where the cells of a target's map look. */
export function shareOf(window, height, width, column = 0) {
  if (!window) return { top: 0, left: 0, height: 1, width: 1 };
  return {
    top: window.top / height,
    left: window.left / width,
    height: window.height / height,
    width: window.width / width,
    flippedRows: window.flipped_rows,
    flippedColumns: window.flipped_columns,
    places: window.places?.[column] ?? null,
  };
}

/** The value of a map at a place of the picture, null outside it. */
export function valueAt(map, window, x, y) {
  const [across, down] = [(x - window.left) / window.width, (y - window.top) / window.height];
  if (across < 0 || across > 1 || down < 0 || down > 1) return null;
  const [h, w] = map.shape;
  if (window.places || window.flippedRows || window.flippedColumns) {
    const { rows, columns } = window.places ?? { rows: evenly(h), columns: evenly(w) };
    const upright = window.flippedRows ? 1 - down : down;
    const ahead = window.flippedColumns ? 1 - across : across;
    const of = weightsAt(upright, rows, 0);
    const along = weightsAt(ahead, columns, 0);
    const sum = of.reduce(
      (total, y, row) => total + along.reduce((part, x, at) => part + y * x * map.levels[row * w + at], 0),
      0,
    );
    return (sum * map.most) / 127;
  }
  const at = Math.min(h - 1, Math.floor(down * h)) * w + Math.min(w - 1, Math.floor(across * w));
  return (map.levels[at] * map.most) / 127;
}

const scratch = document.createElement("canvas");

/** Draw pixels over all of a canvas. */
export function drawPixels(canvas, image, smooth = true) {
  if (scratch.width !== image.width || scratch.height !== image.height)
    [scratch.width, scratch.height] = [image.width, image.height];
  scratch.getContext("2d").putImageData(image, 0, 0);
  drawOver(canvas, scratch, smooth);
}

/** Draw one canvas over all of another. */
export function drawOver(canvas, other, smooth = true) {
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = smooth;
  pen.imageSmoothingQuality = other.width > canvas.width ? "high" : "low";
  pen.drawImage(other, 0, 0, canvas.width, canvas.height);
}
