/** The one table of keys: what is pressed, what it does, and the words of the help. */

import { byId, button, el } from "./dom.js";

/** Rows of the table: keys, what they do in words, the call, and the views where they do it. */
export function keyTable(moves) {
  const anywhere = undefined;
  const time = ["recording", "units", "whatif", "compare"];
  return [
    { group: "Time" },
    { keys: ["Space"], words: "play and pause", run: () => moves.play(), where: time },
    { keys: ["ArrowLeft"], words: "a step back", run: () => moves.step(-1), where: time },
    { keys: ["ArrowRight"], words: "a step on", run: () => moves.step(1), where: time },
    { keys: ["Shift+ArrowLeft"], words: "ten steps back", run: () => moves.step(-10), where: time },
    { keys: ["Shift+ArrowRight"], words: "ten steps on", run: () => moves.step(10), where: time },
    { keys: ["Home"], words: "first step", run: () => moves.step(-Infinity), where: time },
    { keys: ["End"], words: "last step", run: () => moves.end(), where: time },
    { keys: ["<"], words: "play slower", run: () => moves.speed(-1), where: time },
    { keys: [">"], words: "play faster", run: () => moves.speed(1), where: time },
    { group: "Where to look" },
    { keys: ["n"], words: "next moment", run: () => moves.moment(1), where: time },
    { keys: ["p"], words: "moment before", run: () => moves.moment(-1), where: time },
    { keys: ["]"], words: "next episode of the table", run: () => moves.episode(1), where: time },
    { keys: ["["], words: "episode before", run: () => moves.episode(-1), where: time },
    { keys: ["/"], words: "filter the episodes", run: () => moves.at.filter(), where: time },
    {
      keys: ["b"],
      words: "bookmark this step, or forget it",
      run: () => moves.bookmark(),
      where: time,
    },
    { group: "Heat" },
    { keys: ["m"], words: "next method", run: () => moves.method(1), where: time },
    { keys: ["Shift+M"], words: "method before", run: () => moves.method(-1), where: time },
    { keys: ["t"], words: "next target", run: () => moves.target(1), where: time },
    { keys: ["Shift+T"], words: "target before", run: () => moves.target(-1), where: time },
    { keys: ["l"], words: "next layer", run: () => moves.layer(1), where: time },
    { keys: ["Shift+L"], words: "layer before", run: () => moves.layer(-1), where: time },
    { keys: ["x"], words: "what full strength stands for", run: () => moves.norm(), where: time },
    { keys: ["0"], words: "heat on and off", run: () => moves.toggle("heat") },
    { keys: ["-"], words: "less opaque", run: () => moves.opacity(-0.1) },
    { keys: ["+", "="], words: "more opaque", run: () => moves.opacity(0.1) },
    { keys: ["c"], words: "picture in colour or grey", run: () => moves.toggle("colour") },
    { group: "Live" },
    {
      keys: ["ArrowLeft"],
      words: "turn left",
      run: () => moves.at.drive?.("left"),
      where: ["live"],
    },
    {
      keys: ["ArrowUp"],
      words: "forward",
      run: () => moves.at.drive?.("forward"),
      where: ["live"],
    },
    {
      keys: ["ArrowRight"],
      words: "turn right",
      run: () => moves.at.drive?.("right"),
      where: ["live"],
    },
    {
      keys: ["Space"],
      words: "let the policy act, and stop",
      run: () => moves.at.drive?.("play"),
      where: ["live"],
    },
    {
      keys: ["."],
      words: "one step of the policy",
      run: () => moves.at.drive?.("step"),
      where: ["live"],
    },
    {
      keys: ["Backspace"],
      words: "a step back",
      run: () => moves.at.drive?.("back"),
      where: ["live"],
    },
    { keys: ["r"], words: "start anew", run: () => moves.at.drive?.("reset"), where: ["live"] },
    { group: "The page" },
    ...moves.at.views.map(({ name, title }, place) => ({
      keys: [String(place + 1)],
      words: title,
      run: () => moves.view(name),
      where: anywhere,
    })),
    { keys: ["s"], words: "save what is on the screen as a picture", run: () => moves.at.still() },
    { keys: ["h", "?"], words: "these keys", run: () => toggleHelp(moves) },
  ];
}

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
const presses = (element) => element.closest("button, summary, a[href], [role=button]");

/** Whether a key belongs to the element that has the focus. */
function isTaken(key, element) {
  if (writes(element)) return true;
  if (key === "Space" && presses(element)) return true;
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

/** Listen to the keys of the table. */
export function bindKeys(moves) {
  freeFocus();
  const table = keyTable(moves).filter((row) => row.keys);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = pressed(event);
    const help = byId("help");
    if (help.open && !["h", "?"].includes(key)) return;
    if (isTaken(key, event.target)) return;
    const { view } = moves.at.store.state;
    const found = table.find(
      (row) => row.keys.includes(key) && (row.where?.includes(view) ?? true),
    );
    if (!found) return;
    event.preventDefault();
    found.run();
  });
}

/** Show every key, or close what shows them. */
export function toggleHelp(moves) {
  const help = byId("help");
  if (help.open) return help.close();
  const groups = [];
  for (const row of keyTable(moves)) {
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
      el("h2", { id: "help-title" }, "Keys"),
      button("Close", "close (h or Esc)", () => help.close()),
    ),
    el("div", { className: "groups" }, groups),
  );
  help.showModal();
}
