/** The view of a recording: everything of one step, and ways from step to step. */

import { Bookmarks } from "./bookmarks.js";
import { comparePanel } from "./compare.js";
import { heatControls, transport } from "./controls.js";
import { byId, changes, el, say } from "./dom.js";
import { sidePanel } from "./episodes.js";
import { framePanel, scenePanel } from "./frame.js";
import { refreshHover } from "./hover.js";
import { bindKeys, heatKeys, pageKeys, timeKeys } from "./keys.js";
import { hasImages } from "./layers.js";
import { Moves, NORMS } from "./moves.js";
import { multiplesPanel } from "./multiples.js";
import { Recorded } from "./recorded.js";
import { saveAs, savePicture } from "./still.js";
import { bindAddress, startingPlace, Store } from "./store.js";
import { viewTabs } from "./tabs.js";
import { spoken, timelinePanel } from "./timeline.js";
import { unitsPanel } from "./units.js";
import { whatIfPanel } from "./whatif.js";

const VIEWS = [
  {
    name: "recording",
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
  {
    name: "whatif",
    title: "What if",
    about: "another action here, played out",
    part: whatIfPanel,
    needs: (info) => info.states && info.choice && !info.file,
  },
  {
    name: "compare",
    title: "Compare",
    about: "another policy, such as a newer checkpoint, on the same frames",
    part: comparePanel,
    needs: (info) => info.choice && !info.file,
  },
];

/** Build the view into an element, and keep it up to date. */
export async function recordingView(info, api, work) {
  const [table, moments] = await Promise.all([api.episodes(), api.moments(60)]);
  if (!table.episode?.length) throw new Error("the recording has no episode that is whole");
  const store = new Store(startingState(info, table, startingPlace(info.fingerprint)));
  const recorded = new Recorded(api, info, () => store.touch("data"));
  const bookmarks = new Bookmarks(info.fingerprint, api.bookmarks ?? [], () =>
    store.touch("bookmarks"),
  );
  const views = VIEWS.filter((each) => each.needs(info));
  const at = { api, info, store, recorded, table, moments, bookmarks, views };
  Object.assign(at, { norms: NORMS, methods: () => store.state.methods });
  const moves = new Moves(at);
  Object.assign(at, { moves, looks: moves, still: () => saveStill(at) });

  const side = sidePanel(at);
  Object.assign(at, { order: side.order, filter: side.filter });
  const [heat, time] = [heatControls(at), transport(at)];
  const [frame, scene, timeline] = [framePanel(at), scenePanel(at), timelinePanel(at)];
  frame.section.append(time.bar);
  const parts = new Map(views.map(({ name, part }) => [name, part(at)]));
  const tabs = viewTabs(at, parts);
  work.className = "recording";
  work.replaceChildren(
    side.section,
    heat.bar,
    frame.section,
    scene.section,
    tabs.shown,
    timeline.section,
  );

  let silence = 0;
  const isNewOutcome = changes();
  store.listen((state, changed) => {
    settle(state, recorded);
    tabs.update(state);
    heat.update(state);
    time.update(state, bookmarks);
    side.update(state);
    frame.update(state);
    scene.update(state);
    timeline.update(state, changed);
    parts.get(state.view).update(state, changed);
    const head = recorded.numbers(state.episode)?.head;
    if (head && isNewOutcome(state.episode)) header(head, state.episode);
    refreshHover();
    if (changed.has("step") && !state.playing) {
      clearTimeout(silence);
      silence = setTimeout(() => say(spoken(recorded, info, state)), 300);
    }
  });
  bindAddress(store, info.fingerprint);
  bindKeys([...timeKeys(moves), ...heatKeys(moves), ...pageKeys(moves)]);
  new ResizeObserver(() => store.touch("size")).observe(work);
  store.touch("view");
}

/** Where one was, or the start. */
function startingState(info, table, place) {
  const names = info.methods.filter((each) => each.possible !== false).map((each) => each.name);
  const recorded = info.methods.filter((each) => each.recorded).map((each) => each.name);
  const usual = [...new Set([...recorded, "cam", "saliency", "grad-cam"])].filter((each) =>
    names.includes(each),
  );
  const methods = usual.slice(0, 2);
  const state = {
    view: "recording",
    side: "episodes",
    episode: table.episode[0],
    step: 0,
    method: methods[0] ?? names[0] ?? "",
    methods,
    target: "chosen",
    layer: "",
    unit: null,
    norm: "episode",
    opacity: 0.85,
    colour: false,
    heat: true,
    playing: false,
    speed: 10,
    ...place,
  };
  if (!table.episode.includes(state.episode))
    Object.assign(state, { episode: table.episode[0], step: 0 });
  state.methods = state.methods.filter((each) => names.includes(each));
  if (!names.includes(state.method)) state.method = methods[0] ?? "";
  if (!state.methods.length) state.methods = methods;
  if (!VIEWS.some((each) => each.name === state.view && each.needs(info))) state.view = "recording";
  return state;
}

/** A step that the episode does not have becomes its last. */
function settle(state, recorded) {
  const steps = recorded.numbers(state.episode)?.head.steps;
  if (steps) state.step = Math.max(0, Math.min(steps - 1, Math.round(state.step)));
}

function header(head, episode) {
  const known = { true: "well", 1: "well", false: "badly", 0: "badly" };
  const outcome = head.error ?? head.outcome ?? "";
  const seed = head.seed === undefined ? "" : `, seed ${head.seed}`;
  byId("place").replaceChildren(
    el("span", { className: `outcome ${known[head.success] ?? ""}` }, outcome),
    el("span", { className: "muted" }, ` episode ${episode}${seed}`),
  );
}

/** The film's frame of this moment from the server; in a file, what is drawn here. */
function saveStill({ api, info, store, recorded }) {
  const { episode, step, methods, target } = store.state;
  const name = `${info.fingerprint.slice(0, 8)}-${episode}-${step}.png`;
  if (!api.stillAddress) return savePicture(document.querySelector(".frame .picture"), name);
  const asked = {
    episode,
    step,
    method: methods,
    target: recorded.columns.includes(target) ? null : target,
  };
  saveAs(api.stillAddress(asked), name);
}
