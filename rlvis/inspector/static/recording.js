/** The view of a recording: everything of one step, and ways from step to step. */

import { Bookmarks } from "./bookmarks.js";
import { comparePanel } from "./compare.js";
import { heatControls, transport } from "./controls.js";
import { byId, el, say, toast } from "./dom.js";
import { moveTab, sidePanel } from "./episodes.js";
import { framePanel, scenePanel } from "./frame.js";
import { bindKeys, toggleHelp } from "./keys.js";
import { Moves } from "./moves.js";
import { multiplesPanel } from "./multiples.js";
import { Recorded } from "./recorded.js";
import { bindAddress, fromHash, Store } from "./store.js";
import { spoken, timelinePanel } from "./timeline.js";
import { unitsPanel } from "./units.js";
import { whatIfPanel } from "./whatif.js";

const VIEWS = [
  { name: "recording", title: "Recording", part: multiplesPanel, needs: () => true },
  { name: "units", title: "Layers & units", part: unitsPanel, needs: (info) => info.layers.length },
  {
    name: "whatif",
    title: "What if",
    part: whatIfPanel,
    needs: (info) => info.states && !info.file,
  },
  { name: "compare", title: "Compare", part: comparePanel, needs: (info) => !info.file },
];

/** Build the view into an element, and keep it up to date. */
export async function recordingView(info, api, work) {
  const [table, moments] = await Promise.all([api.episodes(), api.moments(60)]);
  if (!table.episode?.length) throw new Error("the recording has no episode that is whole");
  const store = new Store(startingState(info, table, kept(info)));
  const recorded = new Recorded(api, info, () => store.touch("data"));
  const bookmarks = new Bookmarks(info.fingerprint, api.bookmarks ?? [], () =>
    store.touch("bookmarks"),
  );
  const views = VIEWS.filter((each) => each.needs(info));
  const at = { api, info, store, recorded, table, moments, bookmarks, views };
  const moves = (at.moves = new Moves(at));
  at.still = () => saveStill(at);

  const side = sidePanel(at);
  Object.assign(at, { order: side.order, filter: side.filter });
  const [heat, time] = [heatControls(at), transport(at)];
  const [frame, scene, timeline] = [framePanel(at), scenePanel(at), timelinePanel(at)];
  frame.section.append(time.bar);
  const parts = new Map(views.map(({ name, part }) => [name, part(at)]));
  const shown = el("div", { className: "shown" });
  work.className = "recording";
  work.replaceChildren(
    side.section,
    heat.bar,
    frame.section,
    scene.section,
    shown,
    timeline.section,
  );
  const tabs = viewTabs(views, moves);
  byId("help-button").onclick = () => toggleHelp(moves);

  let silence = 0;
  store.listen((state, changed) => {
    settle(state, recorded);
    const part = parts.get(state.view);
    if (shown.firstChild !== part.section) shown.replaceChildren(part.section);
    work.dataset.view = state.view;
    tabs(state.view);
    heat.update(state);
    time.update(state, bookmarks);
    side.update(state);
    frame.update(state);
    scene.update(state);
    timeline.update(state, changed.has("bookmarks"));
    part.update(state, changed);
    header(recorded, state);
    if (changed.has("step") && !state.playing) {
      clearTimeout(silence);
      silence = setTimeout(() => say(spoken(recorded, info, state)), 300);
    }
  });
  bindAddress(store, (hash) => keep(info, hash));
  bindKeys(moves);
  new ResizeObserver(() => store.touch("size")).observe(work);
  store.touch("view");
}

/** Where one was, or the start. */
function startingState(info, table, hash) {
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
    unit: 0,
    norm: "episode",
    opacity: 0.85,
    colour: false,
    heat: true,
    playing: false,
    speed: 10,
    ...fromHash(hash),
  };
  if (!table.episode.includes(state.episode))
    Object.assign(state, { episode: table.episode[0], step: 0 });
  state.methods = state.methods.filter((each) => names.includes(each));
  if (!names.includes(state.method)) state.method = methods[0] ?? "";
  if (!state.methods.length) state.methods = methods;
  if (!VIEWS.some((each) => each.name === state.view && each.needs(info))) state.view = "recording";
  return state;
}

const placeName = (info) => `rlvis place ${info.fingerprint}`;

function kept(info) {
  if (location.hash.length > 1) return location.hash;
  try {
    return localStorage.getItem(placeName(info)) ?? "";
  } catch {
    return "";
  }
}

function keep(info, hash) {
  try {
    localStorage.setItem(placeName(info), hash);
  } catch {
    // a browser that keeps nothing: the address still says where one is
  }
}

/** A step that the episode does not have becomes its last. */
function settle(state, recorded) {
  const steps = recorded.numbers(state.episode)?.head.steps;
  if (steps) state.step = Math.max(0, Math.min(steps - 1, Math.round(state.step)));
}

/** The tabs of the views; call what comes back with the name of the one shown. */
export function viewTabs(views, moves) {
  const list = byId("views");
  const buttons = views.map(({ name, title }, place) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        title: `${title} (${place + 1})`,
        onclick: () => moves.view(name),
      },
      title,
    ),
  );
  list.replaceChildren(...buttons);
  list.onkeydown = (event) => moveTab(event, buttons);
  return (shown) =>
    buttons.forEach((each, place) => {
      const isShown = views[place].name === shown;
      each.setAttribute("aria-selected", isShown);
      each.tabIndex = isShown ? 0 : -1;
    });
}

function header(recorded, { episode }) {
  const head = recorded.numbers(episode)?.head;
  if (!head) return;
  const kind =
    head.success === true || head.success === 1
      ? "well"
      : head.success === false || head.success === 0
        ? "badly"
        : "";
  const outcome = head.error ?? head.outcome ?? "";
  byId("place").replaceChildren(
    el("span", { className: `outcome ${kind}` }, outcome),
    el(
      "span",
      { className: "muted" },
      ` episode ${episode}${head.seed === undefined ? "" : `, seed ${head.seed}`}`,
    ),
  );
}

/** The film's frame of this moment from the server; in a file, what is drawn here. */
function saveStill({ api, info, store, recorded }) {
  const { episode, step, methods, target } = store.state;
  const link = el("a", { download: `${info.fingerprint.slice(0, 8)}-${episode}-${step}.png` });
  if (api.stillAddress) {
    link.href = api.stillAddress({
      episode,
      step,
      method: methods,
      target: recorded.columns.includes(target) ? null : target,
    });
  } else {
    const [base, heat] = document.querySelectorAll(".frame canvas");
    const picture = el("canvas", {
      width: heat.width || base.width,
      height: heat.height || base.height,
    });
    const pen = picture.getContext("2d");
    pen.drawImage(base, 0, 0, picture.width, picture.height);
    if (!heat.hidden) pen.drawImage(heat, 0, 0, picture.width, picture.height);
    link.href = picture.toDataURL("image/png");
  }
  link.click();
  toast("saved as a picture");
}
