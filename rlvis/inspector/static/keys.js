/** The one table of keys: what is pressed, what it does, and the words of the help.
 *
 * Each kind of page has the groups that it can do; `bindKeys` listens to them, `toggleHelp` shows
 * them.
 */

import { byId, button, el } from "./dom.js";

/** The way in time of a recording. */
export const timeKeys = (moves) => [
  { group: "Time" },
  { keys: ["Space"], words: "play and pause", run: () => moves.play() },
  { keys: ["ArrowLeft"], words: "a step back", run: () => moves.step(-1) },
  { keys: ["ArrowRight"], words: "a step on", run: () => moves.step(1) },
  { keys: ["Shift+ArrowLeft"], words: "ten steps back", run: () => moves.step(-10) },
  { keys: ["Shift+ArrowRight"], words: "ten steps on", run: () => moves.step(10) },
  { keys: ["Home"], words: "first step", run: () => moves.step(-Infinity) },
  { keys: ["End"], words: "last step", run: () => moves.end() },
  { keys: ["<"], words: "play slower", run: () => moves.speed(-1) },
  { keys: [">"], words: "play faster", run: () => moves.speed(1) },
  { group: "Where to look" },
  { keys: ["n"], words: "next moment", run: () => moves.moment(1) },
  { keys: ["p"], words: "moment before", run: () => moves.moment(-1) },
  { keys: ["]"], words: "next episode of the table", run: () => moves.episode(1) },
  { keys: ["["], words: "episode before", run: () => moves.episode(-1) },
  { keys: ["/"], words: "filter the episodes", run: () => moves.at.filter() },
  { keys: ["b"], words: "bookmark this step, or forget it", run: () => moves.bookmark() },
];

/** What is explained, and how it is drawn. */
export const heatKeys = (looks) => [
  { group: "Heat" },
  { keys: ["m"], words: "next method", run: () => looks.method(1) },
  { keys: ["Shift+M"], words: "method before", run: () => looks.method(-1) },
  { keys: ["t"], words: "next target", run: () => looks.target(1) },
  { keys: ["Shift+T"], words: "target before", run: () => looks.target(-1) },
  { keys: ["l"], words: "next layer", run: () => looks.layer(1) },
  { keys: ["Shift+L"], words: "layer before", run: () => looks.layer(-1) },
  { keys: ["x"], words: "what full strength stands for", run: () => looks.norm() },
  { keys: ["0"], words: "heat on and off", run: () => looks.toggle("heat") },
  { keys: ["-"], words: "less opaque", run: () => looks.opacity(-0.1) },
  { keys: ["+", "="], words: "more opaque", run: () => looks.opacity(0.1) },
  { keys: ["c"], words: "picture in colour or grey", run: () => looks.toggle("colour") },
];

/** A world that runs is driven; `drive` takes the name of what to do. */
export const driveKeys = (drive) => [
  { group: "Drive" },
  { keys: ["ArrowLeft"], words: "turn left", run: () => drive("left") },
  { keys: ["ArrowUp"], words: "forward", run: () => drive("forward") },
  { keys: ["ArrowRight"], words: "turn right", run: () => drive("right") },
  { keys: ["Space"], words: "let the policy act, and stop", run: () => drive("play") },
  { keys: ["."], words: "one step of the policy", run: () => drive("step") },
  { keys: ["Backspace"], words: "a step back", run: () => drive("back") },
  { keys: ["r"], words: "start anew", run: () => drive("reset") },
];

/** From photo to photo. */
export const photoKeys = (photos) => [
  { group: "Photos" },
  { keys: ["o"], words: "choose a photo of this machine", run: () => photos.choose() },
  { keys: ["w"], words: "take one with the webcam", run: () => photos.webcam() },
  { keys: ["ArrowLeft"], words: "photo before", run: () => photos.next(-1) },
  { keys: ["ArrowRight"], words: "next photo", run: () => photos.next(1) },
];

/** The views, what is saved, and this help. */
export const pageKeys = (looks) => [
  { group: "The page" },
  ...viewKeys(looks),
  { keys: ["Enter"], words: "to the tools of the view", run: () => enter(looks.at.store) },
  { keys: ["Escape"], words: "back to the page and its keys", run: () => leave() },
  { keys: ["s"], words: "save what is shown as a picture", run: () => looks.at.still() },
  { keys: ["h", "?"], words: "these keys", run: () => toggleHelp() },
];

function viewKeys(looks) {
  const { views } = looks.at;
  if (views.length < 2) return [];
  return views.map(({ name, title }, place) => ({
    keys: [String(place + 1)],
    words: title,
    run: () => looks.view(name),
  }));
}

/** The focus goes to the first that can be used in the view's own tools. */
function enter(store) {
  store.flush();
  const usable = "input, select, textarea, button:not(:disabled)";
  const own =
    document.querySelector(".shown [data-enter]") ??
    document.querySelector("[data-enter]") ??
    document.querySelector(".shown");
  [...own.querySelectorAll(usable)].find((each) => each.tabIndex >= 0)?.focus();
}

const leave = () => document.activeElement.blur();

let bound = [];

/** The rows of the table that the page listens to. */
export const boundKeys = () => bound.filter((row) => row.keys);

const NAMES = {
  Space: "space",
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  "Shift+ArrowLeft": "shift ←",
  "Shift+ArrowRight": "shift →",
  "-": "−",
  Backspace: "backspace",
};
const shown = (key) => NAMES[key] ?? key.replace("Shift+", "shift ").toLowerCase();

/** What was pressed, as the table writes it. */
function pressed(event) {
  const key = event.key === " " ? "Space" : event.key;
  return event.shiftKey && (key.length > 1 || /\p{L}/u.test(key)) ? `Shift+${key}` : key;
}

const FREED =
  "button:not(.handle), button:not(.handle) *, select, input[type=range], input[type=checkbox]";

const writes = (element) =>
  element.closest(
    "input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]",
  );
const presses = (element) => element.closest("button, a[href], input[type=checkbox], tr[tabindex]");

/** Whether a key belongs to the element that has the focus. */
function isTaken(key, element) {
  if (key === "Escape") return false;
  if (writes(element)) return true;
  if (["Space", "Enter"].includes(key) && presses(element)) return true;
  const moved = /^(Arrow|Home|End|Page)/.test(key);
  return moved && Boolean(element.closest("input[type=range], [role=tablist], [data-keys=own]"));
}

/** What was pressed with the mouse gives the focus back, so that the keys of the page work on. */
function freeFocus() {
  let byPointer = false;
  addEventListener("pointerdown", () => (byPointer = true), true);
  addEventListener("keydown", () => (byPointer = false), true);
  const free = ({ target }) => {
    if (byPointer && target.matches(FREED)) document.activeElement.blur();
  };
  addEventListener("click", free);
  addEventListener("change", free);
}

/** Listen to the keys of a table, in place of those before. */
export function bindKeys(table) {
  if (!bound.length) {
    freeFocus();
    addEventListener("keydown", follow);
  }
  bound = table;
  byId("help-button").onclick = toggleHelp;
}

function follow(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = pressed(event);
  if (byId("help").open && !["h", "?"].includes(key)) return;
  if (isTaken(key, event.target)) return;
  const found = boundKeys().find((row) => row.keys.includes(key));
  if (!found) return;
  event.preventDefault();
  found.run();
}

/** Show every key, or close what shows them. */
export function toggleHelp() {
  const help = byId("help");
  if (help.open) return help.close();
  const groups = [];
  for (const row of bound) {
    if (row.group) groups.push(el("section", {}, el("h3", {}, row.group), el("dl", {})));
    else {
      const keys = row.keys.map((key) => el("kbd", {}, shown(key)));
      groups.at(-1).lastChild.append(el("dt", {}, keys), el("dd", {}, row.words));
    }
  }
  help.replaceChildren(
    el(
      "header",
      {},
      el("h2", {}, "Keys"),
      button("Close", "close (h or Esc)", () => help.close()),
    ),
    el("div", { className: "groups" }, groups),
  );
  help.showModal();
}
