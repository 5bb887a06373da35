/** What the policy sees, large, with heat over it; and the environment's own view with the numbers. */

import { barColours, swatch } from "./colours.js";
import { numberOf } from "./curves.js";
import { el, exact, panel, placeOver, short, typeset } from "./dom.js";
import { heatPixels, picturePixels, valueAt } from "./heat.js";

const FINEST = 320;

/** A picture at its own resolution with a layer of heat, as large as its place allows. */
export function pictureWithHeat(label) {
  const base = el("canvas", { className: "base", role: "img", "aria-label": label });
  const heat = el("canvas", { className: "heat", "aria-hidden": "true" });
  const picture = el("div", { className: "picture" }, base, heat);
  const stage = el("div", { className: "stage" }, picture);
  const show = (seen, map, { opacity, colour }) => {
    const [height, width] = seen.shape;
    const aspect = String(width / height);
    if (picture.style.getPropertyValue("--aspect") !== aspect)
      picture.style.setProperty("--aspect", aspect);
    picture.classList.toggle("tiny", height < 40);
    draw(base, picturePixels(seen, !colour && Boolean(map)));
    heat.hidden = !map;
    if (!map) return;
    const fine = Math.max(1, Math.floor(FINEST / width));
    const { window, limit, signed } = map;
    draw(heat, heatPixels(map, width * fine, height * fine, window, limit, signed, opacity));
  };
  return { stage, picture, base, heat, show };
}

/** The pixels of a canvas, exactly. */
export function draw(canvas, image) {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    [canvas.width, canvas.height] = [image.width, image.height];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** What the colours of a map stand for. */
export function legend() {
  const [low, bar, high] = [el("span"), el("i", { className: "bar" }), el("span")];
  const box = el("p", { className: "legend off" }, low, bar, high);
  const update = (map, method, norm) => {
    const most = `${exact(map.limit)} ${map.unit}`.trim();
    const of = { episode: "of the episode so far", frame: "of this frame", map: "of this map" }[
      norm
    ];
    low.textContent = map.signed ? `−${exact(map.limit)} against` : "0";
    bar.style.background = barColours(map.signed);
    high.textContent = `${map.signed ? "for " : ""}${most}`;
    box.title = `full strength: the 99.5 % quantile ${of}`;
  };
  return { box, update };
}

/** The panel of the large frame. */
export function framePanel({ store, recorded, info }) {
  const drawn = pictureWithHeat("what the policy sees");
  drawn.picture.style.setProperty("--aspect", info.frame[1] / info.frame[0]);
  const { box, update: label } = legend();
  const about = el("span", { className: "muted" });
  const note = el("p", { className: "note" });
  const readout = el("p", { className: "readout muted" });
  drawn.stage.append(note);
  const section = panel(
    "frame",
    "What the policy sees",
    about,
    drawn.stage,
    el("footer", {}, box, readout),
  );
  let shown = {};
  const usual = `${info.frame[1]} × ${info.frame[0]} pixels`;
  drawn.picture.addEventListener("pointermove", (event) => {
    readout.textContent = readAt(shown, ...placeOver(event, drawn.picture)) ?? usual;
  });
  drawn.picture.addEventListener("pointerleave", () => (readout.textContent = usual));
  readout.textContent = usual;

  const update = (state) => {
    const { episode, step, method, target, layer, norm } = state;
    const seen = recorded.frame(episode, step);
    const map = recorded.map({ episode, step, method, target, layer, norm });
    const usable = map && !map.error && !map.notes.length ? map : null;
    if (seen) drawn.show(seen, state.heat ? usable : null, state);
    section.classList.toggle("waiting", !seen || (state.heat && !map));
    note.textContent = !state.heat || !map ? "" : (map.error ?? map.notes.join("; "));
    note.hidden = !note.textContent;
    box.classList.toggle("off", !state.heat || !usable);
    if (usable) label(usable, method, norm);
    about.textContent = typeset(`${method} of ${map?.name ?? target}`);
    shown = { seen, map: usable };
  };
  return { section, update };
}

/** The numbers under the pointer. */
function readAt({ seen, map }, x, y) {
  if (!seen) return null;
  const [height, width, channels] = seen.shape;
  const [column, line] = [
    Math.min(width - 1, Math.floor(x * width)),
    Math.min(height - 1, Math.floor(y * height)),
  ];
  const at = (line * width + column) * channels;
  const colour = [...seen.data.subarray(at, at + channels)].join(" ");
  const value = map && valueAt(map, map.window, x, y);
  const heat = value === null || value === undefined ? "" : ` · heat ${exact(value)} ${map.unit}`;
  return `x ${column}, y ${line} · rgb ${colour}${heat}`;
}

/** The panel of the environment's own view, with the numbers of the step. */
export function scenePanel({ recorded, info }) {
  const view = pictureWithHeat("the environment's own view");
  const empty = el("p", { className: "state" }, "This recording has no view of the environment.");
  const names = ["value", "reward", "return", "margin", "entropy"];
  const numbers = new Map(names.map((name) => [name, el("dd", {}, "–")]));
  const taken = el("dd", { className: "taken" }, "–");
  const list = el(
    "dl",
    { className: "numbers" },
    el("div", { className: "wide" }, el("dt", {}, "takes"), taken),
    names.map((name) => el("div", {}, el("dt", {}, name), numbers.get(name))),
  );
  const section = panel(
    "scene",
    "The environment",
    null,
    el("div", { className: "beside" }, view.stage, list),
  );

  const update = ({ episode, step }) => {
    const seen = recorded.view(episode, step);
    if (seen) view.show(seen, null, {});
    if (seen === undefined && empty.parentNode !== view.stage) view.stage.replaceChildren(empty);
    for (const name of ["value", "reward", "margin", "entropy"]) {
      numbers.get(name).textContent = numberOf(name, recorded.number(episode, name, step));
    }
    numbers.get("return").textContent = short(returnTo(recorded.numbers(episode), step));
    const place = recorded.number(episode, "taken", step);
    const action = info.actions[place];
    taken.replaceChildren(...(action ? [swatch(action.colour, place), action.name] : ["–"]));
  };
  return { section, update };
}

function returnTo(numbers, step) {
  const rewards = numbers?.arrays.reward?.data;
  if (!rewards) return null;
  let sum = 0;
  for (let at = 0; at <= Math.min(step, rewards.length - 1); at += 1) sum += rewards[at];
  return Math.round(sum * 1e6) / 1e6;
}
