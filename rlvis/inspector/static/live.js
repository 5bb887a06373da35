/** The view of a world that runs on the server: it is driven and changed, and the maps follow. */

import { heatControls } from "./controls.js";
import { button, byId, changes, el, say, short, toast } from "./dom.js";
import { framePanel } from "./frame.js";
import { refreshHover } from "./hover.js";
import { bindKeys, driveKeys, heatKeys, pageKeys } from "./keys.js";
import { hasImages } from "./layers.js";
import { Looks, NORMS } from "./moves.js";
import { multiplesPanel } from "./multiples.js";
import { Now } from "./now.js";
import { unpack } from "./packs.js";
import { PLAN, planPanel } from "./plan.js";
import { savePicture } from "./still.js";
import { bindAddress, startingPlace, Store } from "./store.js";
import { viewTabs } from "./tabs.js";
import { timelinePanel } from "./timeline.js";
import { unitsPanel } from "./units.js";
import { hideByDragging, resetTo, worldPanel } from "./world.js";

const LOOKED_AT = ["methods", "method", "target", "layer", "heat"];
const VIEWS = [
  {
    name: "live",
    title: "Why",
    about: "what speaks for each action",
    part: multiplesPanel,
    needs: () => true,
  },
  {
    name: "units",
    title: "Units",
    about: "every layer, every unit: what it sees, what comes of switching it off",
    part: unitsPanel,
    needs: hasImages,
  },
];

/** Build the view into an element, and keep it up to date. */
export async function liveView(info, api, work) {
  const store = new Store(startingState(info, startingPlace(info.fingerprint)));
  const failed = (error) => toast(error.message, "failed");
  const want = () => wanted(store.state, now.columns);
  const arrived = ({ step, seed }) => {
    if (step !== undefined) store.set({ step, seed });
    store.touch("data");
  };
  const now = new Now(api, info, { want, arrived, lost });
  const ask = (message) => now.ask(message).catch(failed);
  const views = VIEWS.filter((each) => each.needs(info));
  const at = { api, info, store, recorded: now, now, ask, failed, views, norms: NORMS };
  const looks = new Looks(at);
  const still = () =>
    savePicture(frame.drawn.picture, `live-${store.state.seed}-${store.state.step}.png`);
  Object.assign(at, { looks, still, methods: () => store.state.methods });

  const [heat, frame, plan] = [heatControls(at), framePanel(at), planPanel(at)];
  const [world, timeline] = [worldPanel(at), timelinePanel(at)];
  const parts = new Map(views.map(({ name, part }) => [name, part(at)]));
  const tabs = viewTabs(at, parts);
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

  let silence = 0;
  store.listen((state, changed) => {
    if (state.view === "live" && isUnit(state.target)) return store.set({ target: "margin" });
    tabs.update(state);
    for (const part of [heat, frame, plan, world, timeline]) part.update(state, changed);
    parts.get(state.view).update(state, changed);
    if (LOOKED_AT.some((name) => changed.has(name))) ask({ do: "look" });
    header(now);
    refreshHover();
    clearTimeout(silence);
    silence = setTimeout(() => say(spoken(now)), 500);
  });
  bindAddress(store, info.fingerprint);
  const drive = (what) => ask(driven(what, now, store.state));
  bindKeys([...driveKeys(drive), ...heatKeys(looks), ...pageKeys(looks)]);
  new ResizeObserver(() => store.touch("size")).observe(work);
  now.connect(unpack, store.state.seed === undefined ? { do: "look" } : resetTo(store.state.seed));
  store.touch("view");
}

/** Where one was, or the start. */
function startingState(info, place) {
  const names = info.methods.filter((each) => each.possible !== false).map((each) => each.name);
  const known = (place.methods ?? []).filter((each) => names.includes(each));
  const usual = ["cam", "saliency", "grad-cam"].filter((each) => names.includes(each)).slice(0, 2);
  const methods = known.length ? known : usual;
  return {
    episode: 0,
    target: "margin",
    layer: "",
    unit: null,
    norm: "episode",
    opacity: 0.85,
    colour: false,
    heat: true,
    speed: 10,
    ...place,
    view: VIEWS.some(({ name }) => name === place.view) ? place.view : "live",
    step: 0,
    methods,
    method: methods.includes(place.method) ? place.method : (methods[0] ?? ""),
    object: info.objects?.find((each) => each !== "agent") ?? info.objects?.[0] ?? "",
  };
}

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
  const numbers = ` step ${head.step}, return ${short(head.return)}${seed}`;
  if (!isNewHead(state, numbers)) return;
  byId("place").replaceChildren(
    el("span", { className: "outcome" }, state),
    el("span", { className: "muted" }, numbers),
  );
}
