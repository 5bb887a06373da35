/** Everything about one unit of a layer. */

import { barColours } from "./colours.js";
import { choosing } from "./controls.js";
import { button, changes, el, exact, put, short } from "./dom.js";
import { draw } from "./frame.js";
import { drawPixels, heatPixels, picturePixels } from "./heat.js";
import { hovered } from "./hover.js";
import { Latest } from "./latest.js";
import { row } from "./packs.js";
import { unitEdit } from "./unit_edit.js";
import { heatOf, mapOf, shownAt } from "./unit_maps.js";

/** One unit: its map over the frame, its strongest patches, what it dreams of, an edit of it. */
export function unitDetails(at) {
  const { api, store, info, recorded } = at;
  const title = el("h3", { id: "unit-title" });
  const large = el("canvas", {
    className: "large",
    role: "img",
    "aria-label": "map of the unit over the frame",
  });
  const patches = el("div", { className: "patches" });
  const made = el("div", { className: "made" });
  const edit = unitEdit(at);
  const strongest = new Latest(
    ({ name, unit }) => api.unit(name, unit),
    ({ head, arrays }) => patches.replaceChildren(...patchTiles(head, arrays, at)),
    (error) => patches.replaceChildren(el("p", { className: "muted" }, error.message)),
  );
  const explain = button("Explain it", "heat of what makes this unit strong, at the left", () => {
    const { name, unit } = current;
    const target = `unit:${name}:${unit}`;
    store.set({ ...choosing(store.state, finest(info, store.state)), target, heat: true });
  });
  const picture = (label, hint, ask) =>
    button(label, hint, async (event) => {
      const pressed = event.currentTarget;
      pressed.disabled = true;
      const box = el("figure", {}, el("figcaption", {}, `${label.toLowerCase()}…`));
      made.prepend(box);
      try {
        const { arrays } = await ask(current);
        const canvas = el("canvas");
        draw(canvas, picturePixels(arrays.picture));
        box.replaceChildren(
          canvas,
          el("figcaption", {}, label.toLowerCase()),
        );
      } catch (error) {
        box.replaceChildren(el("figcaption", {}, error.message));
      }
      pressed.disabled = false;
    });
  const high = el("span");
  const bar = el("i", { className: "bar" });
  bar.style.background = barColours(false);
  const scale = el("p", { className: "legend" }, el("span", {}, "0"), bar, high);
  scale.title = "full strength is the unit's largest value at this step";
  const tools = el(
    "div",
    { className: "tools" },
    explain,
    picture("Synthesize", "an image that excites it", ({ name, unit }) =>
      api.synthesis(name, unit),
    ),
    picture("Project back", "what of this frame excites it", ({ name, unit }) =>
      api.projection(...recorded.address(store.state), name, unit),
    ),
  );
  const box = el(
    "section",
    { className: "unit-details", "aria-labelledby": "unit-title" },
    el("header", {}, title, tools),
    el("div", { className: "column" }, large, scale),
    el("div", { className: "column" }, el("h3", {}, "Strongest in"), patches, made),
    el("div", { className: "column" }, edit.box),
  );
  let current = {};
  let map = null;
  hovered(large, (x, y) => map && shownAt(map, x, y));
  const isNew = changes();

  const update = (state, name, shown) => {
    const { unit } = state;
    if (current.name !== name || current.unit !== unit) made.replaceChildren();
    current = { name, unit };
    map = mapOf(shown, unit);
    put(title, `Unit ${unit} of ${name}`);
    title.title = title.textContent;
    const seen = recorded.frame(state.episode, state.step);
    if (seen && isNew(shown.answer, recorded.place(state), unit, state.opacity)) {
      drawLarge(large, seen, map, state.opacity);
      put(high, exact(Math.max(0, map.high)));
    }
    strongest.want(`${name}:${unit}`, current);
    edit.update(state, current);
  };
  return { box, update };
}

/** The method that is chosen, or one that reads pixels: a layer's map says little of its own units. */
function finest({ methods }, { method }) {
  const can = (name) => methods.some((each) => each.name === name && each.possible !== false);
  if (!methods.find((each) => each.name === method)?.layer) return method;
  return ["guided-backprop", "saliency"].find(can) ?? method;
}

/** The unit's map over the frame in greys. */
function drawLarge(canvas, seen, map, opacity) {
  const [height, width] = seen.shape;
  const fine = Math.max(1, Math.round(320 / width));
  const [w, h] = [width * fine, height * fine];
  [canvas.width, canvas.height] = [w, h];
  drawPixels(canvas, picturePixels(seen, true));
  const heat = heatOf(map);
  const limit = Math.max(map.high, 1e-9);
  drawPixels(canvas, heatPixels(heat, w, h, map.window, limit, false, opacity));
}

/** What excites it most, each a way to where it is. */
function patchTiles({ places }, { patches, value }, { recorded, store }) {
  if (!patches?.shape[0]) return [el("p", { className: "muted" }, "It is never above zero here.")];
  return places.map(({ episode, step }, place) => {
    const canvas = el("canvas", { "aria-hidden": "true" });
    draw(canvas, picturePixels(row(patches, place)));
    const where = `${short(value.data[place])} at ${recorded.named(episode, step)}`;
    const box = el(
      "button",
      {
        type: "button",
        className: "patch",
        "aria-label": where,
        onclick: () => store.set({ episode, step, playing: false }),
      },
      canvas,
    );
    hovered(box, () => where);
    return box;
  });
}
