/** Another policy on the frames of this episode: what it would have done, and where the two part. */

import { probabilityBars } from "./bars.js";
import { patternOf } from "./colours.js";
import { button, dragged, el, fitCanvas, panel, short } from "./dom.js";
import { GUTTER, placeOf, stepAt } from "./curves.js";

export function comparePanel(at) {
  const { api, store, info, moves } = at;
  const policy = el("input", {
    type: "text",
    size: 28,
    placeholder: "a policy: cube-reach, or mine.zip",
    "aria-label": "the other policy",
    spellcheck: false,
    onkeydown: (event) => event.key === "Enter" && run(),
  });
  const go = button("Compare", "the other policy on this episode's frames", () => run());
  const next = button("Where they part most", "the step of the largest divergence", () =>
    moves.go(most),
  );
  const status = el(
    "p",
    { className: "muted", role: "status" },
    "Name another policy, such as an earlier checkpoint.",
  );
  const canvas = el("canvas", { "aria-hidden": "true" });
  const cursor = el("div", { className: "cursor" });
  const plot = el("div", { className: "plot compared" }, canvas, cursor);
  const bars = probabilityBars(info.actions);
  const names = el("p", { className: "muted" });
  const result = el("div", { className: "result", hidden: true }, plot, names, bars.box);
  const section = panel(
    "compare",
    "Compare with another policy",
    null,
    el("div", { className: "tools ask" }, policy, go, next),
    status,
    result,
  );
  next.hidden = true;
  let answer = null;
  let most = 0;
  dragged(plot, (x) => moves.go(stepAt(x * plot.clientWidth, moves.steps, plot.clientWidth)));

  async function run() {
    if (!policy.value.trim()) return policy.focus();
    const { episode } = store.state;
    go.disabled = true;
    status.textContent = "asking it…";
    try {
      const { head, arrays } = await api.compare({ episode, policy: policy.value.trim() });
      answer = { head, arrays, episode };
      const data = [...arrays.divergence.data];
      most = data.indexOf(Math.max(...data));
      status.textContent = told(head, most, data[most]);
    } catch (error) {
      answer = null;
      status.textContent = error.message;
    }
    go.disabled = false;
    store.touch("compared");
  }

  const update = (state) => {
    const isHere = answer?.episode === state.episode;
    result.hidden = next.hidden = !isHere;
    if (answer && !isHere)
      status.textContent = `compared on episode ${answer.episode}; Enter asks for this one`;
    if (!isHere) return;
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    drawCompared(canvas, width, height, answer.arrays, info.actions);
    const steps = answer.arrays.divergence.data.length;
    cursor.style.transform = `translateX(${placeOf(state.step + 0.5, steps, width)}px)`;
    const count = info.actions.length;
    const rowOf = (data) => [...data.subarray(state.step * count, (state.step + 1) * count)];
    const mine = at.recorded.numbers(state.episode).arrays.probability.data;
    bars.update(rowOf(answer.arrays.probability.data), rowOf(mine));
    names.textContent = `π at step ${state.step}: ${info.policy} (line) → ${answer.head.policy} (bar)`;
  };
  return { section, update };
}

function told({ policy, parting }, most, value) {
  const where =
    parting === null || parting === undefined ? "they never part" : `they part at step ${parting}`;
  return `${policy}: ${where}; furthest apart at step ${most} (${short(value)} bit)`;
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
