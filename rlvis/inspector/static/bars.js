/** π as bars, and beside it what it was before. */

import { swatch } from "./colours.js";
import { decimal, el, put } from "./dom.js";

/** Bars of all actions; `update(after, before, words)` with lists of probabilities, before may be
 * null, and what stands at a place that has none. */
export function probabilityBars(actions) {
  const rows = actions.map(({ name, colour }, place) => {
    const [after, before] = [el("i"), el("i", { className: "before", hidden: true })];
    after.style.background = colour;
    after.style.width = "0";
    const value = el("span", { className: "value" }, "–");
    const title = el("span", { className: "name" }, swatch(colour, place), name);
    const box = el("div", {}, title, el("div", { className: "meter" }, after, before), value);
    return { box, after, before, value };
  });
  const box = el(
    "div",
    { className: "bars" },
    rows.map((each) => each.box),
  );
  const update = (after, before = null, words = () => "–") =>
    rows.forEach((row, place) => {
      const share = after?.[place] ?? NaN;
      const isKnown = Number.isFinite(share);
      row.after.style.width = `${100 * (isKnown ? share : 0)}%`;
      row.before.hidden = !before || !isKnown;
      if (before) row.before.style.left = `${100 * before[place]}%`;
      const was = before ? `${decimal(before[place])} → ` : "";
      put(row.value, isKnown ? `${was}${decimal(share)}` : words(place));
    });
  return { box, update };
}
