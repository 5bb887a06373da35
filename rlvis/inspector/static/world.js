/** What one can do to a world that runs: drive it, change what is in it, let it run until something holds. */

import { probabilityBars } from "./bars.js";
import { button, dragged, el, panel, select, short } from "./dom.js";
import { futureRows } from "./whatif.js";

export function worldPanel({ now, info, store, ask }) {
  const bars = probabilityBars(info.actions);
  const would = el("p", { className: "muted" });
  const play = button("Let it act", "the policy acts until stopped (space)", () =>
    ask(playing() ? { do: "stop" } : { do: "play", speed: store.state.speed }),
  );
  const playing = () => Boolean(now.last?.head.playing);
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
  const changed = el("p", { className: "muted", role: "status" });
  const group = (title, ...children) =>
    el("section", { className: "group" }, el("h3", {}, title), children);
  const branch = button("Compare futures", "each action here, played to the end", async () => {
    futures.replaceChildren(el("p", { className: "muted", role: "status" }, "playing…"));
    const head = await ask({ do: "whatif", actions: info.actions.map((each) => each.name) });
    futures.replaceChildren(...futureRows(head?.futures ?? [], now.last?.arrays ?? {}, info));
  });
  const section = panel(
    "world",
    "Act and change",
    null,
    el(
      "div",
      { className: "scroll" },
      group("It would", would, bars.box),
      group(
        "Act",
        el(
          "div",
          { className: "tools" },
          play,
          button("One step", "one step of the policy (.)", () => ask({ do: "step" })),
          button("Back", "a step back (backspace)", () => ask({ do: "back" })),
        ),
        el("div", { className: "tools" }, acts),
        el(
          "div",
          { className: "tools" },
          button("Run until", "until the condition holds", () =>
            ask({ do: "until", condition: condition.value }),
          ),
          condition,
        ),
        el(
          "div",
          { className: "tools" },
          button("Restart", "from the seed (r)", () => ask(resetTo(seed.value))),
          el("label", { className: "field" }, el("span", {}, "seed"), seed),
        ),
      ),
      objects.box,
      group(
        "Changed",
        changed,
        el(
          "div",
          { className: "tools" },
          button("Undo all", "the world as it was", () => ask({ do: "undo" })),
        ),
      ),
      group("What if", branch, futures),
    ),
  );

  const update = (state) => {
    objects.update(state);
    if (!now.last) return;
    const { head, arrays } = now.last;
    bars.update(arrays.probability?.data);
    would.textContent = `${info.actions[head.would]?.name ?? "–"}; value ${short(head.value)}${head.ended ? `; it ended: ${head.ended}` : ""}`;
    play.textContent = head.playing ? "Stop" : "Let it act";
    changed.textContent = head.interventions?.length ? head.interventions.join("; ") : "nothing";
  };
  return { section, update };
}

export const resetTo = (text) => ({ do: "reset", seed: text === "" ? null : Number(text) });

/** Recolour, remove, turn; floors and light. */
function objectTools({ info, store, ask }) {
  const can = new Set(info.interventions ?? []);
  const object = select("object", info.objects ?? [], "", (name) => store.set({ object: name }));
  const colour = select(
    "colour",
    ["colour…", ...Object.keys(info.colours ?? {})],
    "colour…",
    (name) => {
      if (name in info.colours) ask({ do: "recolour", name: object.value, colour: name });
      colour.value = "colour…";
    },
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
    el(
      "label",
      { className: "field" },
      el("span", {}, surface),
      select(
        surface,
        ["as it is", ...textures],
        "as it is",
        (texture) => texture !== "as it is" && ask({ do: "resurface", surface, texture }),
      ),
    ),
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
  const line = (isThere, ...children) =>
    isThere ? el("div", { className: "tools" }, children) : null;
  const box = el(
    "section",
    { className: "group" },
    el("h3", {}, "Change"),
    line(
      info.objects?.length,
      object,
      can.has("recoloured") ? colour : null,
      can.has("without") ? remove : null,
    ),
    line(can.has("moved"), el("label", { className: "field" }, el("span", {}, "turn"), turn)),
    line(can.has("resurfaced"), surfaces),
    line(can.has("relit"), el("label", { className: "field" }, el("span", {}, "light"), light)),
    el(
      "p",
      { className: "muted" },
      "Shift and drag over the picture hides that part from the policy.",
    ),
  );
  const update = (state) => {
    if (state.object) object.value = state.object;
  };
  return { box, update };
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
