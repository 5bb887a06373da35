/** The view of a recording: everything of one step, and ways from step to step. */

import { Bookmarks } from "./bookmarks.js";
import { comparePanel } from "./compare.js";
import { heatControls, transport } from "./controls.js";
import { changes, putPlace, saySoon } from "./dom.js";
import { sidePanel } from "./episodes.js";
import { framePanel, scenePanel } from "./frame.js";
import { refreshHover } from "./hover.js";
import { timeKeys } from "./keys.js";
import { methodsOf } from "./methods.js";
import { Moves, NORMS } from "./moves.js";
import { multiplesPanel } from "./multiples.js";
import { Recorded } from "./recorded.js";
import { saveAs, savePicture } from "./still.js";
import { Store } from "./store.js";
import { viewTabs } from "./tabs.js";
import { spoken, timelinePanel } from "./timeline.js";
import { bindPage, startingState, viewsOf } from "./views.js";
import { whatIfPanel } from "./whatif.js";

const WHY = {
  name: "recording",
  title: "Why",
  about: "what speaks for each action",
  part: multiplesPanel,
};
const OWN = [
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
  const views = viewsOf(info, WHY, OWN);
  const store = new Store(inTable(startingState(info, views, usualState(info, table)), table));
  const recorded = new Recorded(api, info, () => store.touch("data"));
  const bookmarks = new Bookmarks(info.fingerprint, api.bookmarks ?? [], () =>
    store.touch("bookmarks"),
  );
  const at = { api, info, store, recorded, table, moments, bookmarks, views };
  Object.assign(at, { norms: NORMS, methods: () => store.state.methods });
  const moves = new Moves(at);
  Object.assign(at, { moves, looks: moves, still: () => saveStill(at) });

  const side = sidePanel(at);
  Object.assign(at, { order: side.order, filter: side.filter });
  const [heat, time] = [heatControls(at), transport(at)];
  const [frame, scene, timeline] = [framePanel(at), scenePanel(at), timelinePanel(at)];
  frame.section.append(time.bar);
  const tabs = viewTabs(at);
  work.className = "recording";
  work.replaceChildren(
    side.section,
    heat.bar,
    frame.section,
    scene.section,
    tabs.shown,
    timeline.section,
  );

  const isNewOutcome = changes();
  store.listen((state, changed) => {
    settle(state, recorded);
    tabs.update(state, changed);
    heat.update(state);
    time.update(state, bookmarks);
    side.update(state);
    frame.update(state);
    scene.update(state);
    timeline.update(state, changed);
    const head = recorded.numbers(state.episode)?.head;
    if (head && isNewOutcome(state.episode)) header(head, state.episode);
    refreshHover();
    if (changed.has("step") && !state.playing) saySoon(() => spoken(recorded, info, state), 300);
  });
  bindPage(at, work, timeKeys(moves));
}

/** What a page shows where nobody was before: two methods, those recorded first. */
function usualState(info, table) {
  const names = methodsOf(info);
  const recorded = info.methods.filter((each) => each.recorded).map((each) => each.name);
  const methods = [...new Set([...recorded, "cam", "saliency", "grad-cam"])]
    .filter((each) => names.includes(each))
    .slice(0, 2);
  return {
    side: "episodes",
    episode: table.episode[0],
    target: "chosen",
    playing: false,
    speed: 10,
    methods,
    method: methods[0] ?? names[0] ?? "",
  };
}

/** An episode that is not there becomes the first. */
const inTable = (state, { episode }) =>
  episode.includes(state.episode) ? state : { ...state, episode: episode[0], step: 0 };

/** A step that the episode does not have becomes its last. */
function settle(state, recorded) {
  const steps = recorded.numbers(state.episode)?.head.steps;
  if (steps) state.step = Math.max(0, Math.min(steps - 1, Math.round(state.step)));
}

function header(head, episode) {
  const known = { true: "well", 1: "well", false: "badly", 0: "badly" };
  const outcome = head.error ?? head.outcome ?? "";
  const seed = head.seed === undefined ? "" : `, seed ${head.seed}`;
  putPlace(outcome, known[head.success] ?? "", `episode ${episode}${seed}`);
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
