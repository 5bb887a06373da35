/** All channels of a layer at the step, and everything about one of them. */

import { probabilityBars } from "./bars.js";
import { button, el, panel, select, short } from "./dom.js";
import { draw } from "./frame.js";
import { drawPixels, heatPixels, picturePixels } from "./heat.js";
import { Latest } from "./latest.js";
import { row } from "./packs.js";

const WHOLE = { top: 0, left: 0, height: 1, width: 1 };
const ORDERS = { number: "by number", high: "strongest first", mean: "largest mean first" };

export function unitsPanel(at) {
  const { api, info, store } = at;
  const spatial = info.layers.filter((each) => each.shape.length === 4).map((each) => each.name);
  const layer = select("layer", spatial, "", (name) => store.set({ layer: name, unit: 0 }));
  const order = select("order of the units", Object.values(ORDERS), ORDERS.number, () =>
    store.touch("order"),
  );
  const note = el("p", { className: "muted count", role: "status" });
  const grid = el("div", {
    className: "tiles",
    "data-keys": "own",
    role: "group",
    "aria-label": "units of the layer",
  });
  const one = unitDetails(at);
  const section = panel(
    "units",
    "Units",
    [layer, " ", order],
    note,
    el("div", { className: "scroll tiles-scroll" }, grid),
    one.box,
  );
  grid.addEventListener("keydown", (event) => moveTile(event, grid));
  let shown = null;
  let tiles = [];
  const channels = new Latest(
    ({ episode, step, name }) => api.layer(episode, step, name),
    (answer, question) => {
      shown = { ...answer.arrays, name: question.name };
      store.touch("layer-data");
    },
    (error) => (note.textContent = error.message),
  );

  const update = (state) => {
    const name = layerOf(state, spatial);
    layer.value = name;
    const { episode, step } = state;
    if (name) channels.want([episode, step, name].join(), { episode, step, name });
    if (!shown || shown.name !== name) return;
    const count = shown.channels.shape[0];
    if (tiles.length !== count) {
      tiles = [...Array(count).keys()].map((unit) => unitTile(unit, store));
      grid.replaceChildren(...tiles.map((each) => each.box));
    }
    arrange(tiles, shown, order.value);
    const most = Math.max(...shown.high.data);
    tiles.forEach((each) => each.update(shown, most, state.unit));
    const [, height, width] = shown.channels.shape;
    note.textContent = `${count} units of ${height} × ${width}; the brightest is ${short(most)}`;
    one.update(state, name, shown);
  };
  return { section, update };
}

const layerOf = ({ layer }, names) => (names.includes(layer) ? layer : names.at(-1));

function arrange(tiles, shown, order) {
  const by = Object.keys(ORDERS).find((name) => ORDERS[name] === order);
  const values = shown[by]?.data;
  const places = tiles.map((_, unit) => unit);
  if (values) places.sort((a, b) => values[b] - values[a]);
  places.forEach((unit, place) => (tiles[unit].box.style.order = place));
}

/** Arrow keys go from tile to tile. */
function moveTile(event, grid) {
  const across = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
  if (!by) return;
  event.preventDefault();
  const tiles = [...grid.children].sort((a, b) => a.style.order - b.style.order);
  const next = tiles[tiles.indexOf(document.activeElement) + by];
  next?.focus();
  next?.click();
}

/** The values of a unit as levels of heat. */
const mapOf = (shown, unit) => {
  const { data, shape } = row(shown.channels, unit);
  return { data, shape, low: shown.low.data[unit], high: shown.high.data[unit] };
};

/** A unit's map in greys, from nothing to the strongest of the layer. */
function greysOf({ data, shape, low, high }, most, least = Math.min(0, low)) {
  const image = new ImageData(shape[1], shape[0]);
  const range = most - least || 1;
  data.forEach((level, at) => {
    const grey = (255 * (low + (level / 255) * (high - low) - least)) / range;
    image.data.set([grey, grey, grey, 255], at * 4);
  });
  return image;
}

function unitTile(unit, store) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const box = el(
    "button",
    { type: "button", className: "unit", onclick: () => store.set({ unit }) },
    canvas,
    el("span", {}, String(unit)),
  );
  const update = (shown, most, chosen) => {
    const map = mapOf(shown, unit);
    draw(canvas, greysOf(map, most));
    box.setAttribute("aria-pressed", unit === chosen);
    box.tabIndex = unit === chosen ? 0 : -1;
    box.setAttribute("aria-label", `unit ${unit}, at most ${short(map.high)}`);
    box.title = `unit ${unit}: ${short(map.low)} to ${short(map.high)}, mean ${short(shown.mean.data[unit])}`;
  };
  return { box, update };
}

/** One unit: its map over the frame, its strongest patches, what it dreams of, an edit of it. */
function unitDetails(at) {
  const { api, store, moves } = at;
  const title = el("h3", {}, "unit");
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
    ({ head, arrays }) => patches.replaceChildren(...patchTiles(head, arrays, moves)),
    (error) => patches.replaceChildren(el("p", { className: "muted" }, error.message)),
  );
  const explain = button("Explain it", "heat of what makes this unit strong", () => {
    const { name, unit } = current;
    store.set({ target: `unit:${name}:${unit}`, heat: true });
  });
  const picture = (label, hint, ask) =>
    button(label, hint, async (event) => {
      const pressed = event.currentTarget;
      pressed.disabled = true;
      const box = el("figure", {}, el("figcaption", {}, `${label.toLowerCase()}…`));
      made.prepend(box);
      try {
        const { arrays } = await ask(current, store.state);
        const canvas = el("canvas");
        draw(canvas, picturePixels(arrays.picture));
        box.replaceChildren(
          canvas,
          el("figcaption", {}, `${label.toLowerCase()}, unit ${current.unit}`),
        );
      } catch (error) {
        box.replaceChildren(el("figcaption", {}, error.message));
      }
      pressed.disabled = false;
    });
  const tools = el(
    "div",
    { className: "tools" },
    explain,
    picture("Synthesize", "an image that excites it", ({ name, unit }) =>
      api.synthesis(name, unit),
    ),
    picture("Project back", "what of this frame excites it", ({ name, unit }, { episode, step }) =>
      api.projection(episode, step, name, unit),
    ),
  );
  const box = el(
    "section",
    { className: "unit-details", "aria-label": "the unit" },
    el("div", { className: "column" }, title, large, tools),
    el("div", { className: "column" }, el("h3", {}, "Strongest in"), patches, made),
    el("div", { className: "column" }, edit.box),
  );
  let current = {};

  const update = (state, name, shown) => {
    const unit = Math.min(state.unit, shown.channels.shape[0] - 1);
    if (current.name !== name || current.unit !== unit) made.replaceChildren();
    current = { name, unit };
    const map = mapOf(shown, unit);
    title.textContent = `Unit ${unit} of ${name}`;
    drawLarge(large, at.recorded.frame(state.episode, state.step), map, state.opacity);
    strongest.want(`${name}:${unit}`, current);
    edit.update(state, current, map);
  };
  return { box, update };
}

/** The unit's map over the frame in greys. */
function drawLarge(canvas, seen, map, opacity) {
  if (!seen) return;
  const [height, width] = seen.shape;
  const fine = Math.max(1, Math.round(320 / width));
  [canvas.width, canvas.height] = [width * fine, height * fine];
  drawPixels(canvas, picturePixels(seen, true));
  const levels = Float32Array.from(map.data, (level) =>
    Math.max(0, map.low + (level / 255) * (map.high - map.low)),
  );
  const heat = { levels, shape: map.shape, most: 127 };
  drawPixels(
    canvas,
    heatPixels(heat, canvas.width, canvas.height, WHOLE, Math.max(map.high, 1e-9), false, opacity),
  );
}

function patchTiles({ places }, { patches, value }, moves) {
  if (!patches?.shape[0]) return [el("p", { className: "muted" }, "It is never above zero here.")];
  return places.map(({ episode, step }, place) => {
    const canvas = el("canvas", { "aria-hidden": "true" });
    draw(canvas, picturePixels(row(patches, place)));
    const title = `${short(value.data[place])} at episode ${episode}, step ${step}`;
    return el(
      "button",
      {
        type: "button",
        className: "patch",
        title,
        "aria-label": title,
        onclick: () => moves.jump(episode, step),
      },
      canvas,
    );
  });
}

/** Set the unit to a value: π as it would be, and the episode as it would go on. */
function unitEdit({ api, store, info }) {
  const value = el("input", {
    type: "number",
    step: "any",
    value: "0",
    "aria-label": "value of the unit",
  });
  const bars = probabilityBars(info.actions);
  const said = el("p", { className: "muted", role: "status" });
  const played = el("p", { className: "played", role: "status" });
  const play = button("Play on with it", "the episode from here, with this edit", () => playOn());
  const box = el(
    "div",
    { className: "edit" },
    el("h3", {}, "Set it everywhere to"),
    el(
      "div",
      { className: "tools" },
      value,
      button("0", "switch it off", () => set(0)),
      play,
    ),
    bars.box,
    said,
    played,
  );
  let body = null;
  const edited = new Latest(
    (question) => api.edit(question),
    ({ head }) => {
      bars.update(head.probability, head.before.probability);
      said.textContent = `value ${short(head.before.value)} → ${short(head.value)}`;
    },
    (error) => (said.textContent = error.message),
  );
  const set = (number) => {
    value.value = String(number);
    store.touch("edit");
  };
  value.addEventListener("input", () => store.touch("edit"));

  async function playOn() {
    play.disabled = true;
    played.textContent = "playing…";
    try {
      const { head } = await api.playEdit(body);
      const told = (each) =>
        `${each.outcome} after ${each.steps} steps, return ${short(each.return)}`;
      played.textContent = `With the edit: ${told(head)}. Without: ${told(head.before)}.`;
    } catch (error) {
      played.textContent = error.message;
    }
    play.disabled = false;
  }

  const update = ({ episode, step }, { name, unit }) => {
    const number = Number(value.value);
    if (value.value === "" || !Number.isFinite(number)) return;
    body = { episode, step, edits: [{ layer: name, unit, value: number }] };
    const asked = JSON.stringify(body);
    if (asked !== edited.asked) played.textContent = "";
    edited.want(asked, body);
  };
  play.hidden = !info.states;
  return { box, update };
}
