/** The panel of curves: one cursor over all of them, moments and bookmarks above, scrubbed by hand. */

import { swatch } from "./colours.js";
import { drawCurves, layoutOf, LINES, numberOf, placeOf, stepAt } from "./curves.js";
import { changes, decimal, dragged, el, panel, placeOver, put, short } from "./dom.js";
import { icon } from "./icons.js";

const NO_BOOKMARKS = { list: [] };
const FEW = 6;

export function timelinePanel({ store, recorded, info, moves, moments = [], bookmarks = NO_BOOKMARKS }) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const cursor = el("div", { className: "cursor" });
  const ghost = el("div", { className: "cursor ghost", hidden: true });
  const tip = stepTip(recorded, info);
  const marks = el("div", { className: "marks" });
  const values = LINES.map((name) => el("span", { className: "at", title: name }));
  const plot = el(
    "div",
    moves
      ? {
          className: "plot scrubbed",
          role: "slider",
          tabIndex: 0,
          "aria-label": "step of the episode",
          "aria-valuemin": 0,
        }
      : { className: "plot", role: "img", "aria-label": "the numbers since the start" },
    canvas,
    ghost,
    cursor,
    values,
    tip.box,
  );
  const key = info.actions.map((each, place) =>
    el("span", {}, swatch(each.colour, place), each.name),
  );
  const names = el("span", { className: "key" }, key);
  const isFew = info.actions.length <= FEW; // else they have lines of their own
  const section = panel("timeline", "Over time", isFew ? names : [], ...(isFew ? [] : [names]), marks, plot);

  let size = [0, 0];
  const steps = () => recorded.numbers(store.state.episode)?.head.steps ?? 0;
  const stepOf = (share) => stepAt(share * size[0], steps(), size[0]);
  if (moves) {
    dragged(plot, (x) => {
      store.set({ playing: false });
      moves.go(stepOf(x));
    });
  }
  plot.addEventListener("pointermove", (event) => hover(stepOf(placeOver(event, plot)[0])));
  plot.addEventListener("pointerleave", () => (ghost.hidden = tip.box.hidden = true));
  new ResizeObserver(([{ target }]) => {
    size = [target.clientWidth, target.clientHeight];
    store.touch("size");
  }).observe(plot);

  function hover(step) {
    if (!steps()) return;
    const [width] = size;
    const x = placeOf(step + 0.5, steps(), width);
    ghost.hidden = tip.box.hidden = false;
    ghost.style.transform = `translateX(${x}px)`;
    tip.update(store.state.episode, step);
    const isLeft = x > width * 0.6;
    tip.box.style.transform = `translateX(${isLeft ? x - 12 : x + 12}px) translateX(${isLeft ? -100 : 0}%)`;
  }

  let drawn = "";
  const update = (state, changed) => {
    const numbers = recorded.numbers(state.episode);
    const [width, height] = size;
    if (!numbers || width < 1) return;
    const count = numbers.head.steps;
    const now = [
      state.episode,
      count,
      numbers.head.id,
      width,
      height,
      window.devicePixelRatio,
    ].join();
    if (now !== drawn) {
      drawCurves(canvas, width, height, numbers, info.actions);
      layoutOf(height).lines.forEach(({ top, height: high }, place) => {
        values[place].style.top = `${top + high / 2 - 8}px`;
      });
    }
    if (now !== drawn || changed.has("bookmarks")) drawMarks(state.episode, count, width);
    drawn = now;
    cursor.style.transform = `translateX(${placeOf(state.step + 0.5, count, width)}px)`;
    LINES.forEach((name, place) =>
      put(values[place], numberOf(name, recorded.number(state.episode, name, state.step))),
    );
    if (!moves) return;
    plot.setAttribute("aria-valuemax", count - 1);
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
function stepTip(recorded, info) {
  const title = el("p");
  const line = (...name) => {
    const [value, dot] = [el("b"), el("span", { hidden: true }, " ●")];
    return { box: el("div", {}, el("span", {}, name, dot), value), value, dot };
  };
  const actions = info.actions.map(({ name, colour }, place) => line(swatch(colour, place), name));
  const lines = LINES.map((name) => line(name));
  const boxes = [...actions, ...lines].map((each) => each.box);
  const box = el("div", { className: "tip", hidden: true }, title, boxes);
  const isNew = changes();
  const update = (episode, step) => {
    if (!isNew(episode, step)) return;
    const shares = recorded.numbers(episode)?.arrays.probability;
    const taken = recorded.number(episode, "taken", step);
    put(title, `step ${step}`);
    actions.forEach(({ value, dot }, place) => {
      put(value, decimal(shares?.data[step * actions.length + place]));
      dot.hidden = place !== taken;
    });
    lines.forEach(({ value }, place) => {
      const name = LINES[place];
      put(value, numberOf(name, recorded.number(episode, name, step)));
    });
  };
  return { box, update };
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
