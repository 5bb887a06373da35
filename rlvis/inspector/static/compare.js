/** Another policy on the frames of this episode: what it would have done, and where the two part. */

import { probabilityBars } from "./bars.js";
import { patternOf } from "./colours.js";
import { GUTTER, placeOf, stepAt } from "./curves.js";
import { button, changes, decimal, dragged, el, fitCanvas, panel, put } from "./dom.js";
import { hovered } from "./hover.js";
import { row } from "./packs.js";

export function comparePanel(at) {
  const { api, store, info, moves, recorded } = at;
  const policy = el("input", {
    type: "text",
    size: 20,
    placeholder: "cube-reach, or path/to/newer.zip",
    "aria-label": "the other policy: shipped, or a file",
    spellcheck: false,
    onkeydown: (event) => event.key === "Enter" && run(),
  });
  const go = button("Compare", "the other policy on this episode's frames", () => run());
  const first = button("Where they part", "the first step at which they prefer another", () =>
    moves.go(answer.head.parting),
  );
  const widest = button("Furthest apart", "the step of the largest divergence", () =>
    moves.go(answer.head.widest),
  );
  const status = el(
    "p",
    { className: "muted", role: "status" },
    "Name another policy, such as a newer checkpoint: it is shown the same frames.",
  );
  const canvas = el("canvas", { "aria-hidden": "true" });
  const cursor = el("div", { className: "cursor" });
  const plot = el("div", { className: "plot compared scrubbed" }, canvas, cursor);
  const bars = probabilityBars(info.actions);
  const names = el("p", { className: "muted" });
  const result = el("div", { className: "result", hidden: true }, plot, names, bars.box);
  const section = panel(
    "compare",
    "Where does another policy part from this one?",
    null,
    el("div", { className: "tools ask", "data-enter": "" }, policy, go, first, widest),
    status,
    result,
  );
  let answer = null;
  const stepOf = (x) => stepAt(x * plot.clientWidth, moves.steps, plot.clientWidth);
  dragged(plot, (x) => moves.go(stepOf(x)));
  hovered(plot, (x) => answer && told(answer, info, stepOf(x)));
  new ResizeObserver(() => store.touch("size")).observe(plot);

  async function run() {
    if (!policy.value.trim()) return policy.focus();
    const { episode } = store.state;
    go.disabled = true;
    status.textContent = "asking it…";
    try {
      const { head, arrays } = await api.compare({ episode, policy: policy.value.trim() });
      answer = { head, arrays, episode };
      status.textContent = summary(head, arrays.divergence.data);
      moves.go(head.parting ?? head.widest);
    } catch (error) {
      answer = null;
      status.textContent = error.message;
    }
    go.disabled = false;
    store.touch("compared");
  }

  const isNew = changes();
  const update = (state) => {
    const isHere = answer?.episode === state.episode;
    result.hidden = widest.hidden = !isHere;
    first.hidden = !isHere || answer.head.parting === null;
    if (answer && !isHere)
      put(status, `compared on episode ${answer.episode}; Compare asks for this one`);
    if (!isHere) return;
    const { head, arrays } = answer;
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    if (isNew(head.policy, answer.episode, width, height, window.devicePixelRatio))
      drawCompared(canvas, width, height, arrays, info.actions);
    const steps = arrays.divergence.data.length;
    cursor.style.transform = `translateX(${placeOf(state.step + 0.5, steps, width)}px)`;
    const mine = recorded.numbers(state.episode).arrays.probability;
    bars.update(rowAt(arrays.probability, state.step), rowAt(mine, state.step));
    put(names, `π at step ${state.step}: ${info.policy} (mark) → ${head.policy} (bar)`);
  };
  return { section, update };
}

const rowAt = (array, step) => [...row(array, step).data];

function summary({ policy, parting, widest, agreement }, divergence) {
  const most = `furthest apart at step ${widest} (${decimal(divergence[widest])} bit)`;
  if (parting === null) return `${policy} prefers the same at every step; ${most}.`;
  const share = Math.round(100 * agreement);
  return `${policy} parts at step ${parting} and prefers the same at ${share} % of the steps; ${most}.`;
}

/** What the other prefers at a step, and how far apart the two are. */
function told({ head, arrays }, info, step) {
  const shares = rowAt(arrays.probability, step);
  const place = shares.indexOf(Math.max(...shares));
  const [best, apart] = [info.actions[place]?.name, decimal(arrays.divergence.data[step])];
  return `step ${step}: ${head.policy} prefers ${best} (${decimal(shares[place])}), ${apart} bit apart`;
}

/** π of the other policy stacked, and under it how far the two lie apart. */
function drawCompared(canvas, width, height, { probability, divergence }, actions) {
  fitCanvas(canvas, width, height);
  const pen = canvas.getContext("2d");
  const scale = window.devicePixelRatio || 1;
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const steps = divergence.data.length;
  const stacked = height * 0.55;
  const fills = actions.map((each, place) => patternOf(pen, each.colour, place));
  const most = Math.max(1e-6, ...divergence.data);
  const [top, room] = [stacked + 10, height - stacked - 12];
  pen.fillStyle = "#20252d";
  pen.fillRect(GUTTER, top, width - GUTTER, room);
  for (let step = 0; step < steps; step += 1) {
    const [left, right] = [step, step + 1].map((each) => Math.round(placeOf(each, steps, width)));
    let from = 0;
    actions.forEach((_, place) => {
      const high = probability.data[step * actions.length + place] * stacked;
      pen.fillStyle = fills[place];
      pen.fillRect(left, from, right - left, high);
      from += high;
    });
    pen.fillStyle = "#c3cad4";
    const high = (divergence.data[step] / most) * room;
    pen.fillRect(left, top + room - high, right - left, high);
  }
  pen.fillStyle = "#a3abb7";
  pen.font = "12px Inter, sans-serif";
  pen.textBaseline = "middle";
  pen.fillText("its π", 0, stacked / 2);
  pen.fillText("divergence", 0, top + room / 2);
}
