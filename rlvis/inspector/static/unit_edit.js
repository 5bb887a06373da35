/** A unit set to a value: π as it would be, and the episode as it would go on. */

import { probabilityBars } from "./bars.js";
import { button, el, put, short } from "./dom.js";
import { Latest } from "./latest.js";

/** The tools of an edit; `update(state, {name, unit})` says what is edited. */
export function unitEdit({ api, store, info, recorded }) {
  const value = el("input", {
    type: "number",
    step: "any",
    value: "0",
    "aria-label": "value of the unit",
  });
  const bars = probabilityBars(info.actions);
  const said = el("p", { className: "muted", role: "status" });
  const played = el("p", { className: "played", role: "status" });
  const play = button("Play on with it", "the episode from here, with this edit", () => playOn());
  const box = el(
    "div",
    { className: "edit" },
    el("h3", {}, "Hold it at"),
    el(
      "div",
      { className: "tools" },
      value,
      button("Off", "0 everywhere", () => set(0)),
    ),
    bars.box,
    said,
    play,
    played,
  );
  let body = null;
  const edited = new Latest(
    (question) => api.edit(question),
    ({ head }) => {
      bars.update(head.probability, head.before.probability);
      put(said, `value ${short(head.before.value)} → ${short(head.value)}`);
    },
    (error) => put(said, error.message),
  );
  const set = (number) => {
    value.value = String(number);
    store.touch("edit");
  };
  value.addEventListener("input", () => store.touch("edit"));

  async function playOn() {
    play.disabled = true;
    put(played, "playing…");
    try {
      const { head } = await api.playEdit(body);
      const told = (each) =>
        `${each.outcome} after ${each.steps} steps, return ${short(each.return)}`;
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
    const asked = `${recorded.place(state)}|${JSON.stringify(body)}`;
    if (asked !== edited.asked) put(played, "");
    edited.want(asked, body);
  };
  play.hidden = !info.states;
  return { box, update };
}
