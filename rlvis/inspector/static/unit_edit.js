/** A unit held at a value: what the network would say, and how the episode would go on. */

import { probabilityBars } from "./bars.js";
import { chanceChoice } from "./chance.js";
import { button, changes, el, exact, put, short } from "./dom.js";
import { Latest } from "./latest.js";

const PLAIN = "#a3abb7";

/** The tools of an edit; `update(state, {name, unit})` says what is edited. */
export function unitEdit({ api, store, info, recorded }) {
  const value = el("input", {
    type: "number",
    step: "any",
    value: "0",
    "aria-label": "value of the unit",
    oninput: () => store.touch("edit"),
  });
  const off = button("Off", "0 everywhere", () => {
    value.value = "0";
    store.touch("edit");
  });
  const said = el("p", { className: "muted", role: "status" });
  const played = el("p", { className: "played", role: "status" });
  const ways = chanceChoice();
  const play = button("Play on with it", "the episode from here, with this edit", () => playOn());
  const tools = el("div", { className: "tools" }, play, ways.box);
  tools.hidden = !info.states;
  const bars = barsOf(info.actions);
  const box = el(
    "div",
    { className: "edit" },
    el("h3", {}, "Hold it at"),
    el("div", { className: "tools" }, value, off),
    bars.box,
    said,
    tools,
    played,
  );
  let body = null;
  const edited = new Latest(
    (question) => api.edit(question),
    ({ head }) => {
      bars.update(head);
      const known = head.value !== null;
      put(said, known ? `value ${short(head.before.value)} → ${short(head.value)}` : "");
    },
    (error) => put(said, error.message),
  );

  async function playOn() {
    play.disabled = true;
    put(played, "playing…");
    try {
      const { head } = await api.playEdit({ ...body, ...ways.chance() });
      put(played, `With the edit: ${told(head)}. Without: ${told(head.before)}.`);
    } catch (error) {
      put(played, error.message);
    }
    play.disabled = false;
  }

  const update = (state, { name, unit }) => {
    const number = Number(value.value);
    if (value.value === "" || !Number.isFinite(number)) return;
    const [episode, step] = recorded.address(state);
    body = { episode, step, edits: [{ layer: name, unit, value: number }] };
    const asked = JSON.stringify(body);
    if (asked !== edited.asked) put(played, "");
    edited.want(asked, body);
  };
  return { box, update };
}

const told = ({ count, summary, outcome, steps, ...future }) =>
  count > 1 ? summary : `${outcome} after ${steps} steps, return ${short(future.return)}`;

/** Bars of the labels that an answer names, in the colours of the actions. */
function barsOf(actions) {
  const box = el("div");
  const isNew = changes();
  let bars = null;
  const update = ({ labels, probability, score, before }) => {
    if (isNew(...labels)) {
      const known = new Map(actions.map((each) => [each.name, each]));
      bars = probabilityBars(labels.map((name) => known.get(name) ?? { name, colour: PLAIN }));
      box.replaceChildren(bars.box);
    }
    const words = (place) => `${exact(before.score[place])} → ${exact(score[place])}`;
    bars.update(probability, before.probability, words);
  };
  return { box, update };
}
