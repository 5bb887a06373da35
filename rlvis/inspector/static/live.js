/** The view of a world that runs on the server: it is driven and changed, and the maps follow. */

import { heatControls } from "./controls.js";
import { byId, el, short, toast } from "./dom.js";
import { framePanel } from "./frame.js";
import { bindKeys, toggleHelp } from "./keys.js";
import { Moves } from "./moves.js";
import { multiplesPanel } from "./multiples.js";
import { Now } from "./now.js";
import { unpack } from "./packs.js";
import { PLAN, planPanel } from "./plan.js";
import { bindAddress, fromHash, Store } from "./store.js";
import { timelinePanel } from "./timeline.js";
import { hideByDragging, resetTo, worldPanel } from "./world.js";

const LOOKED_AT = ["methods", "method", "target", "layer", "heat"];

/** Build the view into an element, and keep it up to date. */
export async function liveView(info, api, work) {
  const names = info.methods.filter((each) => each.possible !== false).map((each) => each.name);
  const usual = ["cam", "saliency", "grad-cam"].filter((each) => names.includes(each)).slice(0, 2);
  const store = new Store({
    view: "live",
    episode: 0,
    step: 0,
    methods: usual,
    method: usual[0],
    target: "margin",
    layer: "",
    norm: "episode",
    opacity: 0.85,
    colour: false,
    heat: true,
    speed: 10,
    ...fromHash(location.hash),
    object: info.objects?.[0] ?? "",
  });
  store.state.view = "live";
  const failed = (error) => toast(error.message, "failed");
  const want = () => wanted(store.state, now.columns);
  const arrived = (head) => {
    if (head.step !== undefined) store.set({ step: head.step });
    store.touch("data");
  };
  const now = new Now(api, info, { want, arrived, lost: failed });
  const ask = (message) => now.ask(message).catch(failed);
  const at = {
    api,
    info,
    store,
    recorded: now,
    now,
    moments: [],
    bookmarks: { list: [], find: () => null, toggle() {} },
  };
  Object.assign(at, {
    views: [],
    order: () => [],
    ask,
    failed,
    still: () => toast("the live world has no stills yet"),
  });
  const moves = (at.moves = new Moves(at));
  moves.go = () => {};
  moves.jump = () => {};
  at.drive = (what) => ask(driven(what, now, store.state));

  const heat = heatControls(at);
  const [frame, multiples, plan, world] = [
    framePanel(at),
    multiplesPanel(at),
    planPanel(at),
    worldPanel(at),
  ];
  const timeline = timelinePanel(at);
  hideByDragging({ picture: frame.section.querySelector(".picture") }, info, ask);
  work.className = "live";
  const shown = el("div", { className: "shown" }, multiples.section);
  work.replaceChildren(
    heat.bar,
    frame.section,
    plan.section,
    shown,
    timeline.section,
    world.section,
  );
  byId("help-button").onclick = () => toggleHelp(moves);

  store.listen((state, changed) => {
    for (const part of [heat, frame, multiples, plan, world]) part.update(state, changed);
    timeline.update(state, true);
    if (LOOKED_AT.some((name) => changed.has(name))) ask({ do: "look" });
    header(now);
  });
  bindAddress(store, () => {});
  bindKeys(moves);
  new ResizeObserver(() => store.touch("size")).observe(work);
  now.connect(unpack);
  store.touch("view");
}

/** What is drawn of every answer. */
function wanted({ methods, target, layer, heat }, columns) {
  const targets = columns.includes(target) ? columns : [...columns, target];
  return { methods: heat ? methods : [], targets, layer: layer || null, plan: PLAN };
}

function driven(what, now, { speed }) {
  const actions = now.info.actions.map((each) => each.name);
  if (what === "play") return now.last?.head.playing ? { do: "stop" } : { do: "play", speed };
  if (what === "reset") return resetTo("");
  if (["step", "back"].includes(what)) return { do: what };
  const named = actions.find(
    (each) => each === what || each.endsWith(`_${what}`) || each.endsWith(what),
  );
  return named ? { do: "act", action: named } : { do: "look" };
}

function header(now) {
  const head = now.last?.head;
  if (!head) return;
  const parts = [
    `step ${head.step}`,
    `return ${short(head.return)}`,
    head.seed === undefined ? "" : `seed ${head.seed}`,
  ];
  byId("place").replaceChildren(
    el("span", { className: "outcome" }, head.ended ?? (head.playing ? "runs" : "live")),
    el("span", { className: "muted" }, ` ${parts.filter(Boolean).join(", ")}`),
  );
}
