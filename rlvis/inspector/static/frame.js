/** What the policy sees, large, with heat over it; and the environment's own view with the numbers. */

import { barColours, swatch } from "./colours.js";
import { numberOf } from "./curves.js";
import { changes, el, exact, panel, put, short, typeset } from "./dom.js";
import { heatPixels, picturePixels, valueAt } from "./heat.js";
import { hovered } from "./hover.js";

const FINEST = 320;

/** A picture at its own resolution with a layer of heat, as large as its place allows.
 *
 * `below` stands under it, as near as it is.
 */
export function pictureWithHeat(label, below = null) {
  const base = el("canvas", { className: "base", role: "img", "aria-label": label });
  const heat = el("canvas", { className: "heat", "aria-hidden": "true" });
  const picture = el("div", { className: "picture" }, base, heat);
  const stage = el("div", { className: `stage${below ? " over" : ""}` }, picture, below);
  const [isNewPicture, isNewHeat] = [changes(), changes()];
  /** `of` says what is seen: where it is the same, nothing is drawn. */
  const show = (of, seen, map, { opacity, colour }) => {
    const [height, width] = seen.shape;
    const aspect = String(width / height);
    if (picture.style.getPropertyValue("--aspect") !== aspect)
      picture.style.setProperty("--aspect", aspect);
    picture.classList.toggle("tiny", height < 40);
    const isGrey = !colour && Boolean(map);
    if (isNewPicture(of, isGrey)) draw(base, picturePixels(seen, isGrey));
    heat.hidden = !map;
    if (!map || !isNewHeat(of, map.of, map.limit, opacity)) return;
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

const SPREAD = {
  episode: "of the episode",
  frame: "of this picture",
  map: "of this map",
};

/** What the colours of a map stand for: its numbers, their sign, and what full strength is. */
export function legend() {
  const [low, bar, high] = [el("span"), el("i", { className: "bar" }), el("span")];
  const of = el("span", { className: "of" });
  const box = el("p", { className: "legend off" }, low, bar, high, of);
  const isNew = changes();
  const update = (map, norm) => {
    if (!isNew(map.limit, map.signed, map.unit, map.caveat, norm)) return;
    const most = `${exact(map.limit)} ${map.unit}`.trim();
    put(low, map.signed ? `−${exact(map.limit)} against` : "0");
    put(high, `${map.signed ? "for " : ""}${most}`);
    put(of, map.caveat || `99.5 % ${SPREAD[norm]}`);
    bar.style.background = barColours(map.signed);
    box.title =
      `Full strength is ${most}: 99.5 % of the values seen ${SPREAD[norm]} lie below it` +
      (map.signed ? "; amber speaks for the target, blue against it." : "; no sign is known.") +
      (map.caveat ? ` The method gives ${map.caveat}.` : "");
  };
  return { box, update };
}

/** The panel of the large frame. */
export function framePanel({ store, recorded, info }) {
  const { box, update: label } = legend();
  const size = `${info.frame[1]} × ${info.frame[0]} pixels`;
  const note = el("p", { className: "note" });
  const drawn = pictureWithHeat(`what the policy sees, ${size}`, el("footer", {}, note, box));
  drawn.picture.style.setProperty("--aspect", info.frame[1] / info.frame[0]);
  const about = el("span", { className: "muted" });
  const section = panel("frame", "What the policy sees", about, drawn.stage);
  let shown = {};
  hovered(drawn.picture, (x, y) => readAt(shown, x, y));

  const update = (state) => {
    const { method, target, norm } = state;
    const seen = recorded.frame(state.episode, state.step);
    const map = recorded.map(state);
    const usable = map && !map.error && !map.notes.length ? map : null;
    if (seen) drawn.show(recorded.place(state), seen, state.heat ? usable : null, state);
    section.classList.toggle("waiting", !seen || (state.heat && !map));
    put(note, !state.heat || !map ? "" : (map.error ?? map.notes.join("; ")));
    note.hidden = !note.textContent;
    note.title = note.textContent;
    box.classList.toggle("off", !state.heat || !usable);
    if (usable) label(usable, norm);
    put(about, typeset(`${method} of ${map?.name ?? target}`));
    shown = { seen, map: state.heat ? usable : null };
  };
  return { section, update, drawn };
}

/** The numbers at a place of a picture and its map, null where there are none. */
export function readAt({ seen, map }, x, y) {
  if (!seen) return null;
  const [height, width, channels] = seen.shape;
  const [column, line] = [
    Math.min(width - 1, Math.floor(x * width)),
    Math.min(height - 1, Math.floor(y * height)),
  ];
  const at = (line * width + column) * channels;
  const colour = [...seen.data.subarray(at, at + channels)].join(" ");
  const value = map ? valueAt(map, map.window, x, y) : null;
  const heat = value === null ? "" : ` · heat ${exact(value)} ${map.unit}`.trimEnd();
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
  const isNewAction = changes();

  const update = (state) => {
    const { episode, step } = state;
    const seen = recorded.view(episode, step);
    if (seen) view.show(recorded.place(state), seen, null, {});
    if (seen === undefined && empty.parentNode !== view.stage) view.stage.replaceChildren(empty);
    for (const name of ["value", "reward", "margin", "entropy"]) {
      put(numbers.get(name), numberOf(name, recorded.number(episode, name, step)));
    }
    put(numbers.get("return"), short(returnTo(recorded.numbers(episode), step)));
    const place = recorded.number(episode, "taken", step);
    if (!isNewAction(place)) return;
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
