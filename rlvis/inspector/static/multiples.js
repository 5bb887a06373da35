/** Methods × actions as small multiples: a row for each method, a column for each action. */

import { swatch } from "./colours.js";
import { choosing } from "./controls.js";
import { button, changes, decimal, el, fitCanvas, meanWords, panel, put, select, typeset } from "./dom.js";
import { draw, legend, readAt } from "./frame.js";
import { drawOver, drawPixels, heatPixels, picturePixels } from "./heat.js";
import { hovered } from "./hover.js";
import { methodsOf, verdictOn } from "./methods.js";

const FINEST = 96;
const MOST_ROWS = 8;
const FEW = 5; // so many columns have room for a name and a number in one line

export function multiplesPanel({ store, recorded, info }) {
  const names = methodsOf(info);
  const heads = recorded.columns.map((name, place) => columnHead(info, name, place));
  const heading = el(
    "div",
    { className: "row heads" },
    heads.map((each) => each.box),
  );
  const body = el("div", { className: "rows" });
  const add = button("+ method", "another row", () => addRow(store, names));
  const section = panel(
    "multiples",
    "Why? What speaks for each action",
    add,
    el("div", { className: "scroll" }, heading, body),
  );
  section.style.setProperty("--columns", recorded.columns.length);
  section.classList.toggle("many", recorded.columns.length > FEW);
  const ground = el("canvas");
  const isNewGround = changes();
  let built = [];
  let across = 0;
  new ResizeObserver(([{ target }]) => {
    across = target.clientWidth;
    store.touch("size");
  }).observe(heads[0].box);

  const update = (state) => {
    heads.forEach((head) => head.update(recorded, state));
    if (built.map((each) => each.method).join() !== state.methods.join()) {
      built = state.methods.map((method) => methodRow({ store, recorded, info, names, method }));
      body.replaceChildren(...built.map((each) => each.box));
    }
    add.disabled = state.methods.length >= Math.min(MOST_ROWS, names.length);
    const seen = recorded.frame(state.episode, state.step);
    const place = seen && `${recorded.place(state)}|${state.colour}`;
    if (seen && isNewGround(place)) {
      section.style.setProperty("--aspect", seen.shape[1] / seen.shape[0]);
      draw(ground, picturePixels(seen, !state.colour));
    }
    built.forEach((each) => each.update(state, { seen, place, ground }, across));
  };
  return { section, update };
}

function addRow(store, names) {
  const { methods } = store.state;
  const next = names.find((each) => !methods.includes(each));
  if (next) store.set({ methods: [...methods, next], method: next });
}

/** The name of an action, its probability, and a bar of it. */
function columnHead(info, name, place) {
  const action = info.actions[place];
  const [value, fill] = [el("span", { className: "value" }), el("i")];
  const title = el(
    "b",
    { title: action ? name : "one action less the best other; the bar is the margin of π" },
    name,
  );
  if (action) {
    title.prepend(swatch(action.colour, place));
    title.style.color = fill.style.background = action.colour;
  }
  const dot = el("span", { className: "dot", title: "the action taken" }, "●");
  const bar = el("div", { className: "meter" }, fill);
  const box = el("div", { className: "head" }, el("p", {}, title, dot, value), bar);
  const update = (recorded, { episode, step }) => {
    const numbers = recorded.numbers(episode);
    const probabilities = numbers?.arrays.probability;
    const taken = recorded.number(episode, "taken", step);
    dot.hidden = !action || taken !== place;
    const share = action
      ? probabilities?.data[step * info.actions.length + place]
      : recorded.number(episode, "margin", step);
    const at = step * info.actions.length + place;
    const isMean = action && info.bounded_by;
    const [entry, mean] = ["entry", "logit"].map((name) => numbers?.arrays[name]?.data[at]);
    put(value, isMean ? meanWords(entry, mean, info.bounded_by) : decimal(share));
    bar.hidden = Boolean(isMean);
    fill.style.width = `${Math.max(0, Math.min(1, share ?? 0)) * 100}%`;
  };
  return { box, update };
}

/** The maps of one method for every action. */
function methodRow({ store, recorded, info, names, method }) {
  const tiles = recorded.columns.map((target, place) => tile(store, info, method, target, place));
  const { box: bar, update: label } = legend();
  const about = el("span", { className: "muted about" });
  const believed = verdictOn(info, method);
  const pick = select(`method of this row`, names, method, (name) => {
    const { methods } = store.state;
    if (methods.includes(name)) return store.set({ method: name });
    store.set({ methods: methods.map((each) => (each === method ? name : each)), method: name });
  });
  const remove = button("×", `remove the row of ${method}`, () => removeRow(store, method), {
    className: "icon",
    "aria-label": `remove the row of ${method}`,
  });
  const box = el(
    "div",
    { className: "method", role: "group", "aria-label": method },
    el(
      "div",
      { className: "row" },
      tiles.map((each) => each.box),
    ),
    el("div", { className: "caption" }, pick, believed, about, bar, remove),
  );
  const update = (state, picture, across) => {
    const maps = tiles.map((each) => recorded.map({ ...state, method, target: each.target }));
    tiles.forEach((each, place) => each.update(state, maps[place], picture, across));
    const first = maps.find((each) => each && !each.error);
    bar.classList.toggle("off", !first || state.norm === "map");
    if (first) label(first, state.norm);
    put(about, first?.layer ? `layer ${first.layer}` : "");
    remove.disabled = state.methods.length < 2;
    box.classList.toggle("main", state.method === method);
  };
  return { box, update, method };
}

function removeRow(store, method) {
  const methods = store.state.methods.filter((each) => each !== method);
  store.set({
    methods,
    method: methods.includes(store.state.method) ? store.state.method : methods[0],
  });
}

/** One map over the small picture; pressed, it becomes the large one. */
function tile(store, info, method, target, place) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const word = el("span", { className: "word" });
  const box = el(
    "button",
    {
      type: "button",
      className: "tile",
      "aria-label": `${method} of ${target}: show it large`,
      onclick: () => store.set({ ...choosing(store.state, method), target, heat: true }),
    },
    canvas,
    word,
  );
  const colour = info.actions[place]?.colour;
  if (colour) box.style.setProperty("--action", colour);
  const [isNew, isNewWord] = [changes(), changes()];
  let shown = {};
  hovered(box, (x, y) => readAt(shown, x, y));
  const update = (state, map, { seen, place, ground }, across) => {
    box.setAttribute("aria-pressed", state.method === method && state.target === target);
    const usable = state.heat && map && !map.error && !map.notes.length ? map : null;
    const said = map?.error ? "not possible" : (map?.notes?.join("; ") ?? "");
    if (isNewWord(said, map?.name)) {
      put(word, said.replace(/: [^;]*/g, ""));
      word.title = said;
      word.hidden = !said;
      box.setAttribute("aria-description", map?.error ?? typeset(map?.name ?? ""));
    }
    box.classList.toggle("waiting", !map);
    if (!seen || !across) return;
    shown = { seen, map: usable };
    const isNewSize = fitCanvas(canvas, across, (across * ground.height) / ground.width);
    const heat = usable ? [usable.of, usable.limit, state.opacity] : ["none"];
    if (!isNew(place, ...heat) && !isNewSize) return;
    drawOver(canvas, ground, ground.height >= 40);
    if (!usable) return;
    const fine = Math.min(1, FINEST / canvas.width);
    const [w, h] = [canvas.width, canvas.height].map((side) => Math.round(side * fine));
    const { window, limit, signed } = usable;
    drawPixels(canvas, heatPixels(usable, w, h, window, limit, signed, state.opacity));
  };
  return { box, update, target };
}
