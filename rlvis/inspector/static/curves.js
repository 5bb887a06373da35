/** The curves of an episode, drawn once: π stacked, the actions taken, then a line for each number. */

import { patternOf } from "./colours.js";
import { decimal, fitCanvas, short } from "./dom.js";

export const LINES = ["value", "reward", "entropy", "margin"];
export const GUTTER = 96;
const AXIS = 22;
const STRIP = 10;
const GAP = 8;

/** A number of a line as it is written: rewards are often whole, the others never but by chance. */
export const numberOf = (name, value) => (name === "reward" ? short(value) : decimal(value));

const INK = {
  text: "#eceff4",
  muted: "#969eaa",
  rule: "#2b323d",
  surface: "#20252d",
  line: "#d7dbe2",
};

/** Where everything stands in a canvas of this height, in pixels of the page. */
export function layoutOf(height, count = LINES.length) {
  const room = height - AXIS - STRIP - GAP * (count + 1) - 4;
  const stacked = Math.round(room * 0.42);
  const each = Math.floor((room - stacked) / count);
  const strip = stacked + 4;
  const lines = [...Array(count).keys()].map((place) => ({
    top: strip + STRIP + GAP + place * (each + GAP),
    height: each,
  }));
  return {
    stacked: { top: 0, height: stacked },
    strip: { top: strip, height: STRIP },
    lines,
    axis: height - AXIS,
  };
}

/** The left edge of a step, in pixels from the left of the canvas. */
export const placeOf = (step, steps, width) => GUTTER + ((width - GUTTER) * step) / steps;

/** The step at a place of the canvas. */
export function stepAt(x, steps, width) {
  return Math.max(0, Math.min(steps - 1, Math.floor(((x - GUTTER) / (width - GUTTER)) * steps)));
}

/** Draw all curves of an episode. */
export function drawCurves(canvas, width, height, numbers, actions) {
  fitCanvas(canvas, width, height);
  const pen = canvas.getContext("2d");
  const scale = window.devicePixelRatio || 1;
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px Inter, sans-serif";
  const layout = layoutOf(height);
  const { steps } = numbers.head;
  drawStacked(pen, layout, numbers, actions, width);
  LINES.forEach((name, place) =>
    drawLine(pen, layout.lines[place], name, numbers.arrays[name]?.data, width),
  );
  drawAxis(pen, layout.axis, steps, width);
}

function label(pen, text, y) {
  pen.fillStyle = INK.muted;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillText(text, 0, y);
}

function drawStacked(pen, { stacked, strip }, { head, arrays }, actions, width) {
  const shares = arrays.probability;
  const taken = arrays.taken?.data;
  const fills = actions.map((action, place) => patternOf(pen, action.colour, place));
  const edge = (step) => Math.round(placeOf(step, head.steps, width));
  label(pen, "π(action)", stacked.height / 2);
  label(pen, "taken", strip.top + strip.height / 2);
  pen.fillStyle = INK.surface;
  pen.fillRect(GUTTER, stacked.top, width - GUTTER, stacked.height);
  pen.fillRect(GUTTER, strip.top, width - GUTTER, strip.height);
  for (let step = 0; step < head.steps; step += 1) {
    const [left, right] = [edge(step), edge(step + 1)];
    let top = stacked.top;
    for (let place = 0; shares && place < actions.length; place += 1) {
      const high = shares.data[step * actions.length + place] * stacked.height;
      pen.fillStyle = fills[place];
      if (high > 0) pen.fillRect(left, top, right - left, high);
      top += high;
    }
    if (!taken) continue;
    pen.fillStyle = fills[taken[step]] ?? INK.surface;
    pen.fillRect(left, strip.top, right - left, strip.height);
  }
}

/** The least and the largest of a curve, with zero in between where it is near. */
export function boundsOf(name, data) {
  const known = [...data].filter(Number.isFinite);
  if (!known.length) return null;
  let [low, high] = [Math.min(...known), Math.max(...known)];
  if (name === "margin") [low, high] = [0, Math.max(1, high)];
  if (low > 0) low = 0;
  if (high < 0) high = 0;
  return high === low ? [low, low + 1] : [low, high];
}

function drawLine(pen, { top, height }, name, data, width) {
  label(pen, name, top + height / 2);
  pen.fillStyle = INK.surface;
  pen.fillRect(GUTTER, top, width - GUTTER, height);
  const bounds = data && boundsOf(name, data);
  if (!bounds) return;
  const [low, high] = bounds;
  const y = (value) => top + height - 2 - ((value - low) / (high - low)) * (height - 4);
  if (low < 0 && high > 0) {
    pen.fillStyle = INK.rule;
    pen.fillRect(GUTTER, y(0), width - GUTTER, 1);
  }
  pen.strokeStyle = INK.line;
  pen.lineWidth = 1.5;
  pen.beginPath();
  let isDown = false;
  data.forEach((value, step) => {
    const x = placeOf(step + 0.5, data.length, width);
    if (Number.isFinite(value)) pen[isDown ? "lineTo" : "moveTo"](x, y(value));
    isDown = Number.isFinite(value);
  });
  pen.stroke();
  pen.fillStyle = INK.muted;
  pen.font = "10px Inter, sans-serif";
  if (height >= 26 && high !== 1) drawBound(pen, short(high), top);
  pen.font = "12px Inter, sans-serif";
}

/** The largest value of a curve, in its corner. */
function drawBound(pen, text, top) {
  pen.textBaseline = "top";
  pen.fillStyle = "rgb(32 37 45 / 0.85)";
  pen.fillRect(GUTTER, top, pen.measureText(text).width + 8, 15);
  pen.fillStyle = INK.muted;
  pen.fillText(text, GUTTER + 4, top + 3);
}

function drawAxis(pen, top, steps, width) {
  const apart = tickOf(steps, (width - GUTTER) / 56);
  pen.fillStyle = INK.muted;
  pen.textBaseline = "top";
  pen.font = "11px Inter, sans-serif";
  for (let step = 0; step < steps; step += apart) {
    const x = placeOf(step, steps, width);
    pen.fillRect(Math.round(x), top, 1, 4);
    pen.textAlign = step === 0 ? "left" : "center";
    if (x < width - 16) pen.fillText(String(step), x, top + 7);
  }
}

function tickOf(steps, most) {
  const rough = Math.max(1, steps / Math.max(1, most));
  const power = 10 ** Math.floor(Math.log10(rough));
  return Math.max(1, [1, 2, 5, 10].find((each) => each * power >= rough) * power);
}
