/** All channels of a layer at the step, and everything about one of them. */

import { changes, el, panel, put, select, short } from "./dom.js";
import { draw } from "./frame.js";
import { hovered } from "./hover.js";
import { Latest } from "./latest.js";
import { imageLayers } from "./layers.js";
import { unitDetails } from "./unit_details.js";
import { greysOf, mapOf, unitAt } from "./unit_maps.js";

const ORDERS = { number: "by number", high: "strongest first", mean: "largest mean first" };

export function unitsPanel(at) {
  const { api, info, store, recorded } = at;
  const spatial = imageLayers(info);
  const layer = select("layer", spatial, "", (name) => store.set({ layer: name, unit: null }));
  const order = select("order of the units", Object.values(ORDERS), ORDERS.number, () =>
    store.touch("order"),
  );
  const note = el("p", { className: "muted count", role: "status" }, "…");
  const grid = el("div", {
    className: "tiles",
    "data-keys": "own",
    "data-enter": "",
    role: "group",
    "aria-label": "units of the layer",
  });
  const one = unitDetails(at);
  const section = panel(
    "units",
    "What does each unit see?",
    [layer, " ", order],
    note,
    el("div", { className: "scroll tiles-scroll" }, grid),
    one.box,
  );
  grid.addEventListener("keydown", (event) => moveTile(event, grid));
  const [isNew, isNewUnit] = [changes(), changes()];
  let shown = null;
  let answers = 0;
  let tiles = [];
  const channels = new Latest(
    ({ address, name }) => api.layer(...address, name),
    (answer, question) => {
      answers += 1;
      const { window, size } = answer.head;
      shown = { ...answer.arrays, window, size, name: question.name, answer: answers };
      store.touch("layer-data");
    },
    (error) => put(note, error.message),
  );

  const update = (state) => {
    const name = layerOf(state, spatial);
    layer.value = name ?? "";
    const address = recorded.address(state);
    if (!name || !recorded.frame(...address)) return;
    channels.want(`${recorded.place(state)}|${name}`, { address, name });
    if (!shown || shown.name !== name) return;
    const [count, height, width] = shown.channels.shape;
    if (state.unit === null || state.unit >= count)
      return store.set({ unit: strongest(shown.high.data) });
    if (tiles.length !== count) {
      tiles = [...Array(count).keys()].map((unit) => unitTile(unit, store));
      grid.replaceChildren(...tiles.map((each) => each.box));
    }
    const most = Math.max(...shown.high.data);
    const least = Math.min(0, ...shown.low.data);
    if (isNew(shown.answer, state.unit, order.value)) {
      arrange(tiles, shown, order.value);
      tiles.forEach((each) => each.update(shown, [least, most], state.unit));
      const range = `black ${short(least)}, white ${short(most)}`;
      put(note, `${count} units of ${height} × ${width} here: ${range}`);
      if (isNewUnit(name, state.unit))
        tiles[state.unit].box.scrollIntoView({ block: "nearest" });
    }
    one.update(state, name, shown);
  };
  return { section, update };
}

const strongest = (values) => values.indexOf(Math.max(...values));

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

function unitTile(unit, store) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const box = el(
    "button",
    { type: "button", className: "unit", onclick: () => store.set({ unit }) },
    canvas,
    el("span", {}, String(unit)),
  );
  let map = null;
  let mean = 0;
  hovered(box, (x, y) => {
    const range = `${short(map.low)} to ${short(map.high)}, mean ${short(mean)}`;
    return `unit ${unit}: ${range}; ${unitAt(map, x, y)}`;
  });
  const isNew = changes();
  const update = (shown, range, chosen) => {
    map = mapOf(shown, unit);
    mean = shown.mean.data[unit];
    if (isNew(shown.answer)) {
      draw(canvas, greysOf(map, range));
      box.setAttribute("aria-label", `unit ${unit}, at most ${short(map.high)}`);
    }
    box.setAttribute("aria-pressed", unit === chosen);
    box.tabIndex = unit === chosen ? 0 : -1;
  };
  return { box, update };
}
