/** The house's colours of heat, and the patterns that tell actions apart without colour. */

const HEAT = ["1f0c48", "550f6d", "88226a", "ba3655", "e35933", "f98c0a", "f9c932", "fcffa4"];
const AGAINST = [0x28, 0x78, 0xff];
const FOR = [0xff, 0xb8, 0x00];

const anchors = HEAT.map((text) => [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16)));

function sequential(place) {
  const at = place * (anchors.length - 1);
  const low = Math.min(Math.floor(at), anchors.length - 2);
  return anchors[low].map((value, channel) =>
    Math.round(value + (anchors[low + 1][channel] - value) * (at - low)),
  );
}

const tables = new Map();

/** Red, green, blue and opacity of 256 levels of heat: of −1..1 where signed, else of 0..1. */
export function heatTable(signed, opacity) {
  const name = `${signed}|${opacity}`;
  if (!tables.has(name)) tables.set(name, makeTable(signed, opacity));
  return tables.get(name);
}

function makeTable(signed, opacity) {
  const table = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(table.buffer);
  for (let level = 0; level < 256; level += 1) {
    const heat = signed ? level / 127.5 - 1 : level / 255;
    const colour = signed ? (heat < 0 ? AGAINST : FOR) : sequential(heat);
    const ramp = signed ? Math.abs(heat) : Math.min(1, heat / 0.5);
    bytes.set([...colour, Math.round(255 * opacity * ramp ** 0.8)], level * 4);
  }
  return table;
}

/** The colours from least to most, for the background of a bar. */
export function barColours(signed) {
  const places = [...Array(13).keys()].map((each) => each / 12);
  const colour = (place) => {
    const [red, green, blue] = signed ? (place < 0.5 ? AGAINST : FOR) : sequential(place);
    const ramp = signed ? Math.abs(2 * place - 1) : Math.min(1, place / 0.5);
    return `rgb(${red} ${green} ${blue} / ${(0.85 * ramp ** 0.8).toFixed(3)}) ${place * 100}%`;
  };
  return `linear-gradient(90deg, ${places.map(colour).join(", ")})`;
}

/** An action's colour with its pattern: plain, then stripes and dots of different kinds. */
export function patternOf(context, colour, place) {
  const kind = place % 6;
  if (kind === 1 || !context) return colour;
  const side = 8 * (window.devicePixelRatio || 1);
  const tile = document.createElement("canvas");
  tile.width = tile.height = side;
  const pen = tile.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, side, side);
  pen.strokeStyle = pen.fillStyle = "rgb(16 19 24 / 0.26)";
  pen.lineWidth = side / 6;
  PATTERNS[kind](pen, side);
  return context.createPattern(tile, "repeat");
}

const line = (pen, ...points) => {
  pen.beginPath();
  for (let at = 0; at < points.length; at += 4) {
    pen.moveTo(points[at], points[at + 1]);
    pen.lineTo(points[at + 2], points[at + 3]);
  }
  pen.stroke();
};

const rising = (pen, s) => line(pen, -s, s, s, -s, 0, s, s, 0, 0, 2 * s, 2 * s, 0);
const falling = (pen, s) => line(pen, 0, -s, 2 * s, s, 0, 0, s, s, -s, 0, s, 2 * s);

const PATTERNS = {
  0: rising,
  2: falling,
  3: (pen, s) => pen.fillRect(s / 4, s / 4, s / 2, s / 2),
  4: (pen, s) => line(pen, 0, s / 2, s, s / 2),
  5: (pen, s) => line(pen, s / 2, 0, s / 2, s),
};

/** A small picture of an action's colour and pattern, beside its name. */
export function swatch(colour, place) {
  const canvas = document.createElement("canvas");
  const scale = window.devicePixelRatio || 1;
  canvas.width = canvas.height = 12 * scale;
  canvas.className = "swatch";
  canvas.setAttribute("aria-hidden", "true");
  const pen = canvas.getContext("2d");
  pen.fillStyle = patternOf(pen, colour, place);
  pen.fillRect(0, 0, canvas.width, canvas.height);
  return canvas;
}
