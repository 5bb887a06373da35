/** What if another action had been taken here: the futures of each, side by side. */

import { chanceChoice } from "./chance.js";
import { patternOf, swatch } from "./colours.js";
import { button, el, panel, put, short } from "./dom.js";
import { draw } from "./frame.js";
import { picturePixels } from "./heat.js";
import { hovered } from "./hover.js";
import { row } from "./packs.js";

const STRIP = 720;

export function whatIfPanel({ api, store, info, recorded }) {
  const boxes = info.actions.map(({ name, colour }, place) => {
    const input = el("input", { type: "checkbox", checked: true });
    return {
      name,
      input,
      label: el("label", { className: "field" }, input, swatch(colour, place), name),
    };
  });
  const where = el("span", { className: "muted" });
  const status = el(
    "p",
    { className: "muted", role: "status" },
    "Each action is taken once; from there on the policy acts.",
  );
  const results = el("div", { className: "futures" });
  const ways = chanceChoice();
  const run = button("Play them out", "each action here, then the policy to the end", () => play());
  const live = `rlvis inspect --live --policy ${info.policy}`;
  const section = panel(
    "whatif",
    "What if it had taken another action?",
    where,
    el(
      "div",
      { className: "tools ask", "data-enter": "" },
      boxes.map((each) => each.label),
      ways.box,
      run,
    ),
    status,
    el("div", { className: "scroll" }, results),
  );
  results.append(
    el(
      "p",
      { className: "muted" },
      "What if the world were otherwise: another colour, another place? ",
      el("code", {}, live),
      " lets you change it.",
    ),
  );
  let here = {};
  let asked = null;

  async function play() {
    const { episode, step } = here;
    const actions = boxes.filter((each) => each.input.checked).map((each) => each.name);
    if (!actions.length) return (status.textContent = "choose at least one action");
    run.disabled = true;
    asked = null;
    status.textContent = "playing…";
    try {
      const { head, arrays } = await api.whatIf({ episode, step, actions, ...ways.chance() });
      asked = `episode ${episode}, step ${step}`;
      results.replaceChildren(...futureRows(head.futures, arrays, info));
    } catch (error) {
      status.textContent = error.message;
    }
    run.disabled = false;
    store.touch("futures");
  }

  const update = ({ episode, step }) => {
    here = { episode, step };
    const taken = info.actions[recorded.number(episode, "taken", step)]?.name;
    put(where, `at step ${step}${taken ? `; it took ${taken}` : ""}`);
    const isElsewhere = asked !== null && asked !== `episode ${episode}, step ${step}`;
    results.classList.toggle("elsewhere", isElsewhere);
    if (asked) put(status, isElsewhere ? `these are from ${asked}; ask again` : `from ${asked}`);
  };
  return { section, update };
}

/** A row for each action: what came of it, the actions that followed, the views on the way. */
export function futureRows(futures, arrays, info) {
  const longest = Math.max(1, ...futures.map((each) => each.taken?.length ?? each.steps));
  return futures.map((future, number) => {
    const place = info.actions.findIndex((each) => each.name === future.action);
    const colour = info.actions[place]?.colour ?? "#969eaa";
    const known = { true: ["✓", "well"], false: ["✗", "badly"] };
    const [sign, kind] = known[future.success] ?? ["·", ""];
    return el(
      "article",
      { className: "future" },
      el("h3", {}, swatch(colour, Math.max(0, place)), future.action),
      el(
        "p",
        {},
        el("span", { className: `outcome ${kind}` }, `${sign} ${future.outcome}`),
        el("span", { className: "muted" }, wordsOf(future)),
      ),
      strip(future.taken ?? [], longest, info),
      filmOf(arrays[`views_${number}`]),
    );
  });
}

/** How one future went, or what several came to. */
function wordsOf({ count, summary, steps, recorded, ...future }) {
  const went = recorded ? "; as it went" : "";
  if (count > 1) return ` first of ${count}: ${summary}${went}`;
  return ` after ${short(steps)} steps, return ${short(future.return)}${went}`;
}

/** The actions of a future as a strip, as long as it lasted. */
function strip(taken, longest, info) {
  const names = taken.map((action) => info.actions[action]?.name ?? "–");
  const canvas = el("canvas", {
    className: "strip",
    role: "img",
    "aria-label": `the actions taken: ${names.join(", ")}`,
  });
  [canvas.width, canvas.height] = [STRIP, 12];
  const pen = canvas.getContext("2d");
  const fills = info.actions.map(({ colour }, place) => patternOf(pen, colour, place));
  const edge = (step) => Math.round((step / longest) * STRIP);
  taken.forEach((action, step) => {
    pen.fillStyle = fills[action] ?? "#20252d";
    pen.fillRect(edge(step), 0, edge(step + 1) - edge(step), 12);
  });
  hovered(canvas, (x) => {
    const step = Math.floor(x * longest);
    return names[step] ? `${step} steps later: ${names[step]}` : null;
  });
  return canvas;
}

function filmOf(views) {
  if (!views) return null;
  const pictures = [...Array(views.shape[0]).keys()].map((place) => {
    const canvas = el("canvas", { "aria-hidden": "true" });
    draw(canvas, picturePixels(row(views, place)));
    return canvas;
  });
  return el("div", { className: "film" }, pictures);
}
