/** The likeliest labels of a photo, each with its heatmap; pressed, it becomes the large one. */

import { changes, el, fitCanvas, panel, put, shareWords } from "./dom.js";
import { draw, readAt } from "./frame.js";
import { drawOver, drawPixels, heatPixels, picturePixels } from "./heat.js";
import { hovered } from "./hover.js";
import { verdictOn } from "./methods.js";

const WIDTH = 160;

export function labelsPanel({ store, photos, info }) {
  const list = el("div", { className: "labels", "data-enter": "" });
  const empty = el("p", { className: "state" }, "Its likeliest labels will stand here.");
  const box = el("div", { className: "scroll" }, empty);
  const believed = el("span");
  const section = panel("labelled", "Why? What speaks for each label", believed, box);
  const ground = el("canvas");
  const [isNewList, isNewGround, isNewMethod] = [changes(), changes(), changes()];
  let items = [];

  const update = (state) => {
    if (isNewMethod(state.method)) believed.replaceChildren(verdictOn(info, state.method));
    if (!photos.answer) return;
    const { labels } = photos.answer.head;
    if (isNewList(labels.length)) {
      items = labels.map((_, place) => labelItem(store, photos, place));
      list.replaceChildren(...items.map((each) => each.box));
      box.replaceChildren(list);
    }
    const seen = photos.frame();
    const place = `${photos.place(state)}|${state.colour}`;
    if (isNewGround(place)) draw(ground, picturePixels(seen, !state.colour));
    items.forEach((each) => each.update(state, { seen, ground, place }));
  };
  return { section, update };
}

function labelItem(store, photos, label) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const [name, value, fill] = [el("b"), el("span", { className: "value" }), el("i")];
  const meter = el("div", { className: "meter" }, fill);
  const box = el(
    "button",
    { type: "button", className: "label", onclick: () => store.set({ label, heat: true }) },
    canvas,
    el(
      "div",
      {},
      el("p", {}, name, value),
      meter,
    ),
  );
  const isNew = changes();
  let shown = {};
  hovered(canvas, (x, y) => readAt(shown, x, y));
  const update = (state, { seen, ground, place }) => {
    const { labels, probability } = photos.answer.head;
    const words = shareWords(photos.answer.head, label);
    const share = probability[label];
    put(name, labels[label]);
    put(value, words);
    meter.hidden = share === null;
    fill.style.width = `${100 * (share ?? 0)}%`;
    box.setAttribute("aria-label", `${labels[label]}, ${words}`);
    box.setAttribute("aria-pressed", label === state.label);
    const map = photos.map({ ...state, label });
    const usable = state.heat && !map.notes.length;
    shown = { seen, map: usable ? map : null };
    const isNewSize = fitCanvas(canvas, WIDTH, (WIDTH * ground.height) / ground.width);
    if (!isNew(place, map.of, map.limit, usable, state.opacity) && !isNewSize) return;
    drawOver(canvas, ground);
    if (!usable) return;
    const { window, limit, signed } = map;
    const { width, height } = canvas;
    drawPixels(canvas, heatPixels(map, width, height, window, limit, signed, state.opacity));
  };
  return { box, update };
}
