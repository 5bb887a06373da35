/** The bar over the pictures: method, target, layer, full strength, opacity, and the way in time. */

import { button, changes, el, put, select, short } from "./dom.js";
import { icon } from "./icons.js";
import { imageLayers } from "./layers.js";
import { methodsOf } from "./methods.js";
import { SPEEDS } from "./moves.js";

const field = (label, ...inputs) =>
  el("label", { className: "field" }, el("span", {}, label), inputs);

/** What is explained, and how it is drawn. */
export function heatControls({ info, store, looks, norms }) {
  const names = methodsOf(info);
  const method = select("method", names, store.state.method, (name) =>
    store.set(choosing(store.state, name)),
  );
  const target = el("input", {
    type: "text",
    list: "targets",
    size: 14,
    spellcheck: false,
    autocomplete: "off",
    title: "an action, chosen, margin, entropy, value, or a difference such as left - right",
    onchange: () => store.set({ target: target.value.trim() || "chosen" }),
    onfocus: () => target.select(),
  });
  target.setAttribute("list", "targets");
  const suggestions = el(
    "datalist",
    { id: "targets" },
    info.targets.map((value) => el("option", { value })),
  );
  const spatial = imageLayers(info);
  const layer = select("layer", [], "", (name) =>
    store.set({ layer: name, unit: null }),
  );
  layer.append(
    el("option", { value: "" }, "last"),
    ...spatial.map((name) => el("option", { value: name }, name)),
  );
  const norm = select("full strength", norms, store.state.norm, (name) =>
    store.set({ norm: name }),
  );
  const opacity = el("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    "aria-label": "opacity of the heat",
    oninput: () => store.set({ opacity: Number(opacity.value), heat: true }),
  });
  const heat = button("Heat", "heat on and off (0)", () => looks.toggle("heat"));
  const colour = button("Colour", "the picture in colour or grey (c)", () =>
    looks.toggle("colour"),
  );
  const bar = el(
    "div",
    { className: "controls", role: "toolbar", "aria-label": "what is explained" },
    field("method", method),
    field("target", target, suggestions),
    field("layer", layer),
    field("full strength", norm),
    el("label", { className: "field wide" }, el("span", {}, "opacity"), opacity),
    heat,
    colour,
  );
  const isNew = changes();
  const update = (state) => {
    const { norm: spread, opacity: share } = state;
    if (!isNew(state.method, state.target, state.layer, spread, share, state.heat, state.colour))
      return;
    method.value = state.method;
    if (document.activeElement !== target) target.value = state.target;
    layer.value = state.layer;
    layer.disabled =
      !info.methods.find((each) => each.name === state.method)?.layer || !spatial.length;
    norm.value = state.norm;
    opacity.value = state.opacity;
    opacity.style.setProperty("--share", `${state.opacity * 100}%`);
    heat.setAttribute("aria-pressed", state.heat);
    colour.setAttribute("aria-pressed", state.colour);
  };
  return { bar, update };
}

/** A method for the large frame: in place of the one that was there where it has no row yet. */
export function choosing(state, name) {
  if (state.methods.includes(name)) return { method: name };
  const methods = state.methods.map((each) => (each === state.method ? name : each));
  return { method: name, methods: methods.includes(name) ? methods : [...methods, name] };
}

/** Play, step, and where one is. */
export function transport({ store, moves, recorded }) {
  const play = button(icon("play"), "play and pause (space)", () => moves.play(), {
    className: "play",
  });
  const speed = select("steps a second", SPEEDS.map(String), String(store.state.speed), (value) =>
    store.set({ speed: Number(value) }),
  );
  const where = el("output", { className: "where" });
  const mark = button(icon("star", true), "bookmark this step (b)", () => moves.bookmark(), {
    className: "icon",
  });
  const press = (name, title, run) =>
    button(icon(name), title, run, { className: "icon", "aria-label": title });
  const bar = el(
    "div",
    { className: "transport", role: "toolbar", "aria-label": "time" },
    press("first", "first step (home)", () => moves.step(-Infinity)),
    press("back", "a step back (←)", () => moves.step(-1)),
    play,
    press("on", "a step on (→)", () => moves.step(1)),
    press("last", "last step (end)", () => moves.end()),
    where,
    mark,
    el("label", { className: "field speed" }, speed, el("span", {}, "steps/s")),
  );
  const isNew = changes();
  const update = (state, bookmarks) => {
    const steps = recorded.numbers(state.episode)?.head.steps ?? 0;
    put(where, steps ? `step ${short(state.step)} of 0–${steps - 1}` : "step –");
    const marked = Boolean(bookmarks.find(state.episode, state.step));
    if (!isNew(state.playing, state.speed, marked)) return;
    play.replaceChildren(icon(state.playing ? "pause" : "play"));
    play.setAttribute("aria-label", state.playing ? "pause" : "play");
    speed.value = String(state.speed);
    mark.replaceChildren(icon("star", !marked));
    mark.setAttribute("aria-pressed", marked);
    mark.setAttribute("aria-label", marked ? "forget this bookmark" : "bookmark this step");
  };
  return { bar, update };
}
