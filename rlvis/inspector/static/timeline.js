/** The panel of curves: one cursor over all of them, moments and bookmarks above, scrubbed by hand. */

import { swatch } from "./colours.js";
import { drawCurves, layoutOf, LINES, numberOf, placeOf, stepAt } from "./curves.js";
import { decimal, dragged, el, panel, placeOver, short } from "./dom.js";
import { icon } from "./icons.js";

export function timelinePanel({ store, recorded, info, moves, moments, bookmarks }) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const cursor = el("div", { className: "cursor" });
  const ghost = el("div", { className: "cursor ghost", hidden: true });
  const tip = el("div", { className: "tip", hidden: true });
  const marks = el("div", { className: "marks" });
  const values = LINES.map((name) => el("span", { className: "at", title: name }));
  const plot = el(
    "div",
    {
      className: "plot",
      role: "slider",
      tabIndex: 0,
      "aria-label": "step of the episode",
      "aria-valuemin": 0,
    },
    canvas,
    ghost,
    cursor,
    values,
    tip,
  );
  const key = info.actions.map((each, place) =>
    el("span", {}, swatch(each.colour, place), each.name),
  );
  const section = panel(
    "timeline",
    "Over time",
    el("span", { className: "key" }, key),
    marks,
    plot,
  );

  let size = [0, 0];
  const stepOf = (share) => stepAt(share * size[0], moves.steps, size[0]);
  dragged(plot, (x) => {
    store.set({ playing: false });
    moves.go(stepOf(x));
  });
  plot.addEventListener("pointermove", (event) => hover(stepOf(placeOver(event, plot)[0])));
  plot.addEventListener("pointerleave", () => (ghost.hidden = tip.hidden = true));
  new ResizeObserver(([{ target }]) => {
    size = [target.clientWidth, target.clientHeight];
    store.touch("size");
  }).observe(plot);

  function hover(step) {
    if (!moves.steps) return;
    const [width] = size;
    const x = placeOf(step + 0.5, moves.steps, width);
    ghost.hidden = tip.hidden = false;
    ghost.style.transform = `translateX(${x}px)`;
    tip.replaceChildren(...wordsAt(recorded, info, store.state.episode, step));
    const left = x > width * 0.6 ? x - tip.offsetWidth - 12 : x + 12;
    tip.style.transform = `translateX(${left}px)`;
  }

  let drawn = "";
  const update = (state, isNew) => {
    const numbers = recorded.numbers(state.episode);
    const [width, height] = size;
    if (!numbers || width < 1) return;
    const { steps } = numbers.head;
    const now = [
      state.episode,
      steps,
      numbers.head.id,
      width,
      height,
      window.devicePixelRatio,
    ].join();
    if (now !== drawn) drawCurves(canvas, width, height, numbers, info.actions);
    if (now !== drawn || isNew) drawMarks(state.episode, steps, width);
    drawn = now;
    cursor.style.transform = `translateX(${placeOf(state.step + 0.5, steps, width)}px)`;
    layoutOf(height).lines.forEach(({ top, height: high }, place) => {
      values[place].textContent = numberOf(
        LINES[place],
        recorded.number(state.episode, LINES[place], state.step),
      );
      values[place].style.top = `${top + high / 2 - 8}px`;
    });
    plot.setAttribute("aria-valuemax", steps - 1);
    plot.setAttribute("aria-valuenow", state.step);
    plot.setAttribute("aria-valuetext", spoken(recorded, info, state));
  };

  function drawMarks(episode, steps, width) {
    const mark = (step, title, kind) =>
      el(
        "button",
        {
          type: "button",
          className: `mark ${kind}`,
          title,
          "aria-label": `step ${step}: ${title}`,
          style: `left:${placeOf(step + 0.5, steps, width)}px`,
          onclick: () => moves.jump(episode, step),
        },
        icon(kind),
      );
    marks.replaceChildren(
      ...moments
        .filter((each) => each.episode === episode)
        .map((each) => mark(each.step, `${each.kind}: ${each.reason}`, each.kind)),
      ...bookmarks.list
        .filter((each) => each.episode === episode)
        .map((each) => mark(each.step, each.note || "bookmark", "star")),
    );
  }
  return { section, update };
}

/** The numbers of a step, for the pointer. */
function wordsAt(recorded, info, episode, step) {
  const shares = recorded.numbers(episode)?.arrays.probability;
  const taken = recorded.number(episode, "taken", step);
  const actions = info.actions.map((action, place) => {
    const share = shares ? shares.data[step * info.actions.length + place] : null;
    const name = el(
      "span",
      {},
      swatch(action.colour, place),
      action.name,
      place === taken ? " ●" : "",
    );
    return el("div", {}, name, el("b", {}, decimal(share)));
  });
  const lines = LINES.map((name) =>
    el(
      "div",
      {},
      el("span", {}, name),
      el("b", {}, numberOf(name, recorded.number(episode, name, step))),
    ),
  );
  return [el("p", {}, `step ${step}`), ...actions, ...lines];
}

/** A step as a screen reader says it. */
export function spoken(recorded, info, { episode, step }) {
  const taken = info.actions[recorded.number(episode, "taken", step)]?.name;
  const value = recorded.number(episode, "value", step);
  const parts = [
    `step ${step}`,
    taken && `takes ${taken}`,
    value !== null && `value ${short(value)}`,
  ];
  return parts.filter(Boolean).join(", ");
}
