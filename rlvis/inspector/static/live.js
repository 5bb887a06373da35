/** The view of a world that runs on the server: it is driven and changed, and the maps follow. */

import { heatControls } from "./controls.js";
import { button, byId, changes, el, putPlace, saySoon, short, toast } from "./dom.js";
import { framePanel } from "./frame.js";
import { refreshHover } from "./hover.js";
import { driveKeys } from "./keys.js";
import { methodsOf } from "./methods.js";
import { Looks, NORMS } from "./moves.js";
import { multiplesPanel } from "./multiples.js";
import { Now } from "./now.js";
import { unpack } from "./packs.js";
import { PLAN, planPanel } from "./plan.js";
import { savePicture } from "./still.js";
import { Store } from "./store.js";
import { viewTabs } from "./tabs.js";
import { timelinePanel } from "./timeline.js";
import { bindPage, startingState, viewsOf } from "./views.js";
import { hideByDragging, resetTo, worldPanel } from "./world.js";

const LOOKED_AT = ["methods", "method", "target", "layer", "heat"];
const WHY = {
  name: "live",
  title: "Why",
  about: "what speaks for each action",
  part: multiplesPanel,
};

/** Build the view into an element, and keep it up to date. */
export async function liveView(info, api, work) {
  const views = viewsOf(info, WHY);
  const store = new Store(begun(startingState(info, views, usualState(info))));
  const failed = (error) => toast(error.message, "failed");
  const want = () => wanted(store.state, now.columns);
  const arrived = ({ step, seed }) => {
    if (step !== undefined) store.set({ step, seed });
    store.touch("data");
  };
  const now = new Now(api, info, { want, arrived, lost });
  const ask = (message) => now.ask(message).catch(failed);
  const at = { api, info, store, recorded: now, now, ask, failed, views, norms: NORMS };
  const looks = new Looks(at);
  const still = () =>
    savePicture(frame.drawn.picture, `live-${store.state.seed}-${store.state.step}.png`);
  Object.assign(at, { looks, still, methods: () => store.state.methods });

  const [heat, frame, plan] = [heatControls(at), framePanel(at), planPanel(at)];
  const [world, timeline] = [worldPanel(at), timelinePanel(at)];
  const tabs = viewTabs(at);
  hideByDragging(frame.drawn, info, ask);
  work.className = "live";
  work.replaceChildren(
    heat.bar,
    frame.section,
    plan.section,
    tabs.shown,
    timeline.section,
    world.section,
  );

  store.listen((state, changed) => {
    if (state.view === "live" && isUnit(state.target)) return store.set({ target: usualTarget(info) });
    for (const part of [tabs, heat, frame, plan, world, timeline]) part.update(state, changed);
    if (LOOKED_AT.some((name) => changed.has(name))) ask({ do: "look" });
    header(now);
    refreshHover();
    saySoon(() => spoken(now), 500);
  });
  const drive = (what) => ask(driven(what, now, store.state));
  bindPage(at, work, driveKeys(drive));
  now.connect(unpack, store.state.seed === undefined ? { do: "look" } : resetTo(store.state.seed));
}

/** Why this action rather than the next, or the first action where several are taken at once. */
const usualTarget = ({ targets }) => (targets.includes("margin") ? "margin" : targets[0]);

/** What a page shows where nobody was before. */
function usualState(info) {
  const names = methodsOf(info);
  const methods = ["cam", "saliency", "grad-cam"].filter((each) => names.includes(each)).slice(0, 2);
  const object = info.objects?.find((each) => each !== "agent") ?? info.objects?.[0] ?? "";
  return { target: usualTarget(info), speed: 10, methods, method: methods[0] ?? "", object };
}

/** A world starts at its first step, and the large map is one of those that are asked for. */
const begun = (state) => ({
  ...state,
  step: 0,
  method: state.methods.includes(state.method) ? state.method : (state.methods[0] ?? ""),
});

const isUnit = (target) => target.startsWith("unit:");

/** The line to the world is gone: what is on the page stays, and is no longer true. */
function lost(error) {
  toast(error.message, "failed");
  byId("place").replaceChildren(
    el("span", { className: "outcome badly" }, "the line is closed "),
    button("Open anew", "load the page anew", () => location.reload()),
  );
}

/** What is drawn of every answer: a unit is explained by itself. */
function wanted({ methods, target, layer, heat }, columns) {
  const others = columns.includes(target) ? columns : [...columns, target];
  const targets = isUnit(target) ? [target] : others;
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

/** The moment as a screen reader says it. */
function spoken({ last, info }) {
  if (!last || last.head.playing) return "";
  const { step, would, value, ended } = last.head;
  const parts = [`step ${step}`, `would take ${info.actions[would]?.name ?? "nothing"}`];
  return [...parts, `value ${short(value)}`, ended].filter(Boolean).join(", ");
}

const isNewHead = changes();

function header(now) {
  const head = now.last?.head;
  if (!head) return;
  const state = head.ended ?? (head.playing ? "runs" : "live");
  const seed = head.seed === undefined ? "" : `, seed ${head.seed}`;
  const numbers = `step ${head.step}, return ${short(head.return)}${seed}`;
  if (!isNewHead(state, numbers)) return;
  putPlace(state, "", numbers);
}
