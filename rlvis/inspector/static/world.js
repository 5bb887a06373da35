/** What one can do to a world that runs: drive it, change what is in it, let it run until something holds. */

import { probabilityBars } from "./bars.js";
import { chanceChoice } from "./chance.js";
import { button, dragged, el, meanWords, panel, put, select, short } from "./dom.js";
import { futureRows } from "./whatif.js";

export function worldPanel({ now, info, store, ask }) {
  const bars = probabilityBars(info.actions);
  const would = el("p", { className: "muted" });
  const play = button("Let it act", "the policy acts until stopped (space)", () =>
    ask(playing() ? { do: "stop" } : { do: "play", speed: store.state.speed }),
  );
  const playing = () => Boolean(now.last?.head.playing);
  const was = el("p", { className: "muted" });
  const acts = info.actions.map(({ name }) =>
    button(name, `take ${name}`, () => ask({ do: "act", action: name })),
  );
  const condition = el("input", {
    type: "text",
    value: "margin < 0.1",
    size: 12,
    "aria-label": "condition",
    spellcheck: false,
  });
  const seed = el("input", { type: "number", min: 0, placeholder: "any", "aria-label": "seed" });
  const futures = el("div", { className: "futures" });
  const objects = objectTools({ now, info, store, ask });
  const group = (title, ...children) =>
    el("section", { className: "group" }, el("h3", {}, title), children);
  const ways = chanceChoice();
  const branch = button("Compare futures", "each action here, played to the end", async () => {
    futures.replaceChildren(el("p", { className: "muted", role: "status" }, "playing…"));
    const actions = info.actions.map((each) => each.name);
    const head = await ask({ do: "whatif", actions, ...ways.chance() });
    futures.replaceChildren(...futureRows(head?.futures ?? [], now.last?.arrays ?? {}, info));
    futures.scrollIntoView({ block: "nearest" });
  });
  const section = panel(
    "world",
    "Act and change",
    null,
    el(
      "div",
      { className: "scroll", "data-enter": "" },
      group("It would take", would, bars.box, was),
      group(
        "Act",
        line(acts),
        line(
          play,
          button("One step", "one step of the policy (.)", () => ask({ do: "step" })),
          button("Back", "a step back (backspace)", () => ask({ do: "back" })),
        ),
        line(
          button("Run until", "until the condition holds", () =>
            ask({ do: "until", condition: condition.value }),
          ),
          condition,
        ),
        line(
          button("Restart", "from the seed (r: from any)", () => ask(resetTo(seed.value))),
          el("label", { className: "field" }, el("span", {}, "seed"), seed),
        ),
      ),
      objects.box,
      group("What if it took another", line(ways.box, branch), futures),
    ),
  );

  let untouched = null;
  const update = (state) => {
    objects.update(state);
    if (!now.last) return;
    const { head, arrays } = now.last;
    const isChanged = Boolean(head.interventions?.length);
    if (!isChanged) untouched = { step: head.step, seed: head.seed, probability: arrays.probability };
    const isHere = isChanged && untouched?.step === head.step && untouched.seed === head.seed;
    const mean = (place) =>
      meanWords(arrays.entry?.data[place], arrays.logit?.data[place], info.bounded_by);
    bars.update(arrays.probability?.data, isHere ? untouched.probability?.data : null, mean);
    put(was, isHere ? "The marks show π before the changes." : "");
    const ended = head.ended ? `; it ended: ${head.ended}` : "";
    put(would, `${info.actions[head.would]?.name ?? "–"}; value ${short(head.value)}${ended}`);
    put(play, head.playing ? "Stop" : "Let it act");
  };
  return { section, update };
}

const line = (...children) => el("div", { className: "tools" }, children);

export const resetTo = (text) => ({ do: "reset", seed: text === "" ? null : Number(text) });

/** Recolour, remove, turn; floors and light; and the way back. */
function objectTools({ now, info, store, ask }) {
  const can = new Set(info.interventions ?? []);
  const object = select("object", info.objects ?? [], "", (name) => store.set({ object: name }));
  const colour = choice("colour", Object.keys(info.colours ?? {}), (name) =>
    ask({ do: "recolour", name: object.value, colour: name }),
  );
  const remove = button("Remove", "the world without it", () =>
    ask({ do: "without", name: object.value }),
  );
  const turn = el("input", {
    type: "range",
    min: 0,
    max: 360,
    step: 5,
    "aria-label": "angle",
    onchange: () =>
      ask({ do: "turn", name: object.value, angle: (Number(turn.value) * Math.PI) / 180 }),
  });
  const surfaces = Object.entries(info.surfaces ?? {}).map(([surface, textures]) =>
    choice(surface, textures, (texture) => ask({ do: "resurface", surface, texture })),
  );
  const light = el("input", {
    type: "range",
    min: 0.2,
    max: 2,
    step: 0.1,
    value: 1,
    "aria-label": "brightness",
    onchange: () => ask({ do: "relit", brightness: Number(light.value) }),
  });
  const field = (label, input) => el("label", { className: "field" }, el("span", {}, label), input);
  const changed = el("p", { className: "muted changed", role: "status" });
  const undo = button("Undo", "take the last change back", () => ask({ do: "undo" }));
  const all = button("Undo all", "the world as it was", () => ask({ do: "undo", all: true }));
  const given = (isThere, ...children) => (isThere ? line(children) : null);
  const box = el(
    "section",
    { className: "group" },
    el("h3", {}, "What if it were otherwise"),
    given(
      info.objects?.length,
      object,
      can.has("recoloured") ? colour : null,
      can.has("without") ? remove : null,
    ),
    given(can.has("moved"), field("turn", turn)),
    given(can.has("resurfaced"), surfaces),
    given(can.has("relit"), field("light", light)),
    el("p", { className: "muted" }, hints(can)),
    line(undo, all),
    changed,
  );
  const update = (state) => {
    if (state.object) object.value = state.object;
    const said = now.last?.head.interventions ?? [];
    put(changed, said.length ? said.join("; ") : "nothing is changed");
    undo.disabled = all.disabled = !now.last?.head.undo;
    if (!said.length && document.activeElement !== light) light.value = 1;
  };
  return { box, update };
}

/** What the mouse can do, in words. */
function hints(can) {
  const drag = can.has("moved") ? "Drag what stands in the plan, or use the arrow keys on it. " : "";
  return `${drag}Shift and drag over the picture hides that part from the policy.`;
}

/** A list that does what is chosen, and is as before. */
function choice(label, names, choose) {
  const first = `${label}…`;
  const box = select(label, [first, ...names], first, (name) => {
    if (name !== first) choose(name);
    box.value = first;
  });
  return box;
}

/** Hide a part of the picture: shift and drag over it; a press with shift shows all again. */
export function hideByDragging({ picture }, info, ask) {
  const box = el("div", { className: "hiding", hidden: true });
  picture.append(box);
  let from = null;
  const rectangle = (u, v) => [
    Math.min(from[0], u),
    Math.min(from[1], v),
    Math.abs(u - from[0]),
    Math.abs(v - from[1]),
  ];
  dragged(
    picture,
    (u, v, event) => {
      if (event.type === "pointerdown") from = event.shiftKey ? [u, v] : null;
      if (!from) return;
      const [left, top, width, height] = rectangle(u, v).map((share) => `${100 * share}%`);
      Object.assign(box.style, { left, top, width, height });
      box.hidden = false;
    },
    (u, v) => {
      if (!from) return;
      const [left, top, width, height] = rectangle(u, v);
      const [high, wide] = info.frame;
      const rect = [top * high, left * wide, height * high, width * wide].map(Math.round);
      box.hidden = true;
      from = null;
      ask({ do: "hide", rect: rect[2] && rect[3] ? rect : null });
    },
  );
}
