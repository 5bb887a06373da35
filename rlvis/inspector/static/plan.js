/** The plan of the world: its objects are dragged, and everything else follows. */

import { dragged, el, panel, short } from "./dom.js";
import { pictureWithHeat } from "./frame.js";
import { Latest } from "./latest.js";

const NUDGE = 0.1;
/** Pixels that a hand moves without meaning to drag. */
const STEADY = 4;

export const PLAN = [360, 270];

export function planPanel({ now, store, failed }) {
  const drawn = pictureWithHeat("the plan of the world");
  const handles = el("div", { className: "handles" });
  drawn.picture.append(handles);
  const hint = el("span", { className: "muted" }, "drag what stands there");
  const section = panel("plan", "From above", hint, drawn.stage);
  const moved = new Latest(
    (message) => now.ask(message),
    () => {},
    failed,
  );
  const known = new Map();
  let held = null;
  let gesture = 0;
  let pressed = null;

  /** From shares of the picture to places of the world and back. */
  const mapping = () => now.last.head.mapping;
  const size = () => [now.last.arrays.plan.shape[1], now.last.arrays.plan.shape[0]];
  const worldOf = (u, v) => {
    const [scale, x, z] = mapping();
    return { x: (u * size()[0] - x) / scale, z: (v * size()[1] - z) / scale };
  };
  const shareAt = ({ x, z }) => {
    const [scale, left, top] = mapping();
    return [(left + scale * x) / size()[0], (top + scale * z) / size()[1]];
  };

  function move(name, place) {
    moved.want(`${name} ${place.x.toFixed(3)} ${place.z.toFixed(3)}`, {
      do: "move",
      name,
      gesture,
      ...place,
    });
  }

  function handle(name) {
    const box = el("button", {
      type: "button",
      className: "handle",
      "data-keys": "own",
      "aria-label": `${name}; arrow keys move it`,
      title: name,
      onfocus: () => {
        gesture += 1;
        store.set({ object: name });
      },
    });
    box.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[
        event.key
      ];
      const at = now.last.head.objects.find((each) => each.name === name);
      if (!by || !at) return;
      event.preventDefault();
      move(name, { x: at.x + by[0] * NUDGE, z: at.z + by[1] * NUDGE });
    });
    box.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      box.focus();
      held = name;
      gesture += 1;
    });
    return box;
  }

  dragged(
    drawn.picture,
    (u, v, { type, clientX, clientY }) => {
      if (type === "pointerdown") pressed = [clientX, clientY];
      const moved = pressed && Math.hypot(clientX - pressed[0], clientY - pressed[1]);
      if (!held || !now.last?.head.mapping || (pressed && moved < STEADY)) return;
      pressed = null;
      place(known.get(held), u, v);
      move(held, worldOf(u, v));
    },
    () => (held = null),
  );

  function place(box, u, v) {
    box.style.left = `${100 * u}%`;
    box.style.top = `${100 * v}%`;
  }

  const update = ({ object }) => {
    if (!now.last?.arrays.plan) return;
    const { head, arrays } = now.last;
    drawn.show(now.place(), arrays.plan, null, {});
    if (!head.mapping) return;
    const names = new Set((head.objects ?? []).map((each) => each.name));
    for (const [name, box] of known) if (!names.has(name)) box.hidden = true;
    for (const each of head.objects ?? []) {
      if (!known.has(each.name)) {
        known.set(each.name, handle(each.name));
        handles.append(known.get(each.name));
      }
      const box = known.get(each.name);
      box.hidden = false;
      box.setAttribute("aria-pressed", each.name === object);
      box.title = `${each.name}: x ${short(each.x)}, z ${short(each.z)}`;
      if (held !== each.name) place(box, ...shareAt(each));
    }
  };
  return { section, update };
}
