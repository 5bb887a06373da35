/** π as bars, and beside it what it was before. */

import { swatch } from "./colours.js";
import { decimal, el, exact, put } from "./dom.js";

/** Bars of all actions; `update(after, before, scores)` with lists of probabilities, or null, and
 * pairs of scores, after and before, that stand as numbers where there are no probabilities. */
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
  const update = (after, before = null, scores = []) =>
    rows.forEach((row, place) => {
      const share = after?.[place] ?? null;
      row.after.style.width = `${100 * (share ?? 0)}%`;
      row.before.hidden = !before || share === null;
      if (before) row.before.style.left = `${100 * before[place]}%`;
      const [now, then] = share === null ? scores : [after, before];
      const tell = share === null ? exact : decimal;
      const was = then ? `${tell(then[place])} → ` : "";
      put(row.value, `${was}${now ? tell(now[place]) : "–"}`);
    });
  return { box, update };
}
