/** The side of the page: the table of episodes, the moments that matter, the bookmarks. */

import { button, el, short, toast } from "./dom.js";
import { icon } from "./icons.js";
import { saveAs } from "./still.js";
import { moveTab } from "./tabs.js";

const COLUMNS = [
  { name: "episode", title: "#", about: "its number" },
  { name: "outcome", title: "outcome", about: "how it ended" },
  { name: "steps", title: "steps", about: "how many" },
  { name: "return", title: "return", about: "the sum of the rewards" },
  { name: "margin", title: "margin", about: "the lowest margin of π in it" },
  { name: "drop", title: "drop", about: "the largest drop of the value in a step" },
];
const MOST = 500;
const COMPARED = /^\s*([a-z_]+)\s*(<=|>=|<|>|=)\s*(-?[\d.]+)\s*$/;
const HOLDS = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
};

/** Which rows a filter leaves: a comparison such as "margin < 0.1", failures, successes, or a word. */
export function matching(table, filter) {
  const all = table.episode.map((_, place) => place);
  const text = filter.trim().toLowerCase();
  const compared = text.match(COMPARED);
  if (compared && table[compared[1]]) {
    const [, name, sign, number] = compared;
    return all.filter(
      (row) => table[name][row] !== null && HOLDS[sign](table[name][row], Number(number)),
    );
  }
  if (["failures", "failure"].includes(text)) return all.filter((row) => table.success[row] === 0);
  if (["successes", "success"].includes(text)) return all.filter((row) => table.success[row] === 1);
  const words = (row) =>
    `${table.episode[row]} ${table.seed[row]} ${table.outcome[row]}`.toLowerCase();
  return all.filter((row) => words(row).includes(text));
}

/** Rows in the order of a column; what nobody knows comes last. */
export function sorted(table, rows, { column, isDown }) {
  const values = table[column];
  const sign = isDown ? -1 : 1;
  const known = (row) => values[row] !== null && values[row] !== undefined;
  return [...rows].sort((a, b) => {
    if (!known(a) || !known(b)) return known(b) - known(a);
    return sign * (values[a] > values[b] ? 1 : values[a] < values[b] ? -1 : 0) || a - b;
  });
}

export function sidePanel({ api, store, table, moments, bookmarks, moves }) {
  const tabs = [
    { name: "episodes", title: "Episodes", part: episodeTable({ store, table, moves }) },
    { name: "moments", title: "Moments", part: momentList({ moments, moves }) },
    { name: "bookmarks", title: "Bookmarks", part: bookmarkList({ api, store, bookmarks, moves }) },
  ];
  const buttons = tabs.map(({ name, title }) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-controls": `panel-${name}`,
        onclick: () => store.set({ side: name }),
      },
      title,
    ),
  );
  const list = el(
    "div",
    { className: "tabs", role: "tablist", "aria-label": "where to look" },
    buttons,
  );
  list.addEventListener("keydown", (event) => moveTab(event, buttons));
  tabs.forEach(({ name, part }) => {
    Object.assign(part.box, { id: `panel-${name}`, role: "tabpanel" });
    part.box.setAttribute("role", "tabpanel");
    part.box.setAttribute("aria-labelledby", `tab-${name}`);
  });
  const section = el(
    "aside",
    { className: "panel side", "aria-label": "episodes" },
    list,
    tabs.map((each) => each.part.box),
  );
  const update = (state) => {
    tabs.forEach(({ name, part }, place) => {
      const isShown = state.side === name;
      buttons[place].setAttribute("aria-selected", isShown);
      buttons[place].tabIndex = isShown ? 0 : -1;
      part.box.hidden = !isShown;
      if (isShown) part.update(state);
    });
  };
  return { section, update, order: tabs[0].part.order, filter: tabs[0].part.filter };
}

const SIGN_OF = (success) => (success === 1 ? "✓" : success === 0 ? "✗" : "·");

function episodeTable({ store, table, moves }) {
  const filter = el("input", {
    type: "search",
    placeholder: "failures, margin < 0.1, …",
    "aria-label": "filter the episodes",
    title: "a word, failures, successes, or a comparison such as steps > 100 (/)",
  });
  const count = el("p", { className: "muted count", role: "status" });
  const body = el("tbody", { "data-keys": "rows" });
  let sort = { column: "episode", isDown: false };
  let order = [];
  const heads = COLUMNS.map(({ name, title, about }) =>
    el(
      "th",
      { scope: "col" },
      button(title, `${about}; sort by it`, () => sortBy(name)),
    ),
  );
  const scroll = el(
    "div",
    { className: "scroll" },
    el("table", { "aria-label": "episodes" }, el("thead", {}, el("tr", {}, heads)), body),
  );
  const box = el("div", { className: "tab" }, filter, count, scroll);

  function sortBy(column) {
    sort = {
      column,
      isDown: sort.column === column ? !sort.isDown : ["drop", "steps"].includes(column),
    };
    fill();
  }

  function fill() {
    const rows = sorted(table, matching(table, filter.value), sort);
    order = rows.map((row) => table.episode[row]);
    body.replaceChildren(...rows.slice(0, MOST).map((row) => rowOf(table, row, moves)));
    const hidden = rows.length > MOST ? `, the first ${MOST} are here` : "";
    count.textContent = rows.length
      ? `${rows.length} of ${table.episode.length} episodes${hidden}`
      : "no episode is like that; Esc shows all";
    heads.forEach((head, place) => {
      const isSorted = COLUMNS[place].name === sort.column;
      head.setAttribute(
        "aria-sort",
        isSorted ? (sort.isDown ? "descending" : "ascending") : "none",
      );
    });
    store.touch("order");
  }

  filter.addEventListener("input", fill);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      filter.value = "";
      fill();
    } else if (event.key === "Enter" && order.length) {
      moves.jump(order[0]);
      filter.blur();
    } else if (event.key === "ArrowDown") body.querySelector("tr")?.focus();
  });
  body.addEventListener("keydown", (event) => moveRow(event));

  let current = null;
  const update = ({ episode }) => {
    if (current?.isConnected && current.dataset.episode === String(episode)) return;
    const row = body.querySelector(`[data-episode="${episode}"]`);
    current?.removeAttribute("aria-current");
    if (current) current.tabIndex = -1;
    current = row;
    row?.setAttribute("aria-current", "true");
    const entry = row ?? body.firstElementChild;
    if (entry) entry.tabIndex = 0;
    row?.scrollIntoView({ block: "nearest" });
  };
  fill();
  return { box, update, order: () => order, filter: () => filter.focus() };
}

function rowOf(table, row, moves) {
  const cells = COLUMNS.map(({ name }) => {
    const value = table[name][row];
    if (name !== "outcome")
      return el("td", {}, typeof value === "number" ? short(value) : (value ?? "–"));
    const success = table.success?.[row];
    const kind = success === 1 ? "well" : success === 0 ? "badly" : "";
    return el(
      "td",
      { className: `outcome ${kind}`, title: value },
      el("i", {}, SIGN_OF(success)),
      ` ${value}`,
    );
  });
  const episode = table.episode[row];
  const open = () => moves.jump(episode);
  return el(
    "tr",
    {
      tabIndex: -1,
      "data-episode": episode,
      onclick: open,
      onkeydown: (event) => event.key === "Enter" && open(),
    },
    cells,
  );
}

/** ↑ and ↓ go through the rows of a table or list. */
function moveRow(event) {
  const row = event.target.closest("tr, li");
  const next = { ArrowUp: row?.previousElementSibling, ArrowDown: row?.nextElementSibling }[
    event.key
  ];
  if (!next) return;
  event.preventDefault();
  (next.tabIndex >= -1 && next.tagName === "TR" ? next : next.querySelector("button"))?.focus();
}

function momentList({ moments, moves }) {
  const items = moments.map((each) => {
    const open = () => moves.jump(each.episode, each.step);
    const head = el("b", { className: each.kind }, icon(each.kind), each.kind);
    const where = el("span", { className: "muted" }, `episode ${each.episode}, step ${each.step}`);
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", onclick: open },
        head,
        where,
        el("span", { className: "why" }, each.reason),
      ),
    );
  });
  const empty = el("p", { className: "state" }, "No moment stands out in this recording.");
  const list = el("ul", { className: "list" }, items);
  list.addEventListener("keydown", moveRow);
  const box = el(
    "div",
    { className: "tab" },
    el("div", { className: "scroll" }, moments.length ? list : empty),
  );
  const update = ({ episode, step }) => {
    moments.forEach((each, place) => {
      const isHere = each.episode === episode && each.step === step;
      if (isHere && items[place].ariaCurrent !== "true")
        items[place].scrollIntoView({ block: "nearest" });
      items[place].ariaCurrent = isHere ? "true" : null;
    });
  };
  return { box, update };
}

function bookmarkList({ api, store, bookmarks, moves }) {
  const scroll = el("div", { className: "scroll" });
  const save = api.exported ? exportButton(api, store, bookmarks) : null;
  const box = el("div", { className: "tab" }, scroll, save);
  let shown = null;
  const update = ({ episode, step }) => {
    const now = JSON.stringify([
      bookmarks.list.map((each) => [each.episode, each.step]),
      episode,
      step,
    ]);
    if (now === shown) return;
    shown = now;
    const items = bookmarks.list.map((each) => bookmarkItem(each, bookmarks, moves, episode, step));
    const empty = el(
      "p",
      { className: "state" },
      "Nothing is bookmarked. ",
      el("kbd", {}, "b"),
      " keeps the step you are at, with a note of yours.",
    );
    scroll.replaceChildren(items.length ? el("ul", { className: "list" }, items) : empty);
  };
  return { box, update };
}

/** Saves the episode that is shown, with its bookmarks, as a page that needs no server. */
function exportButton(api, store, bookmarks) {
  const hint = "this episode, its maps and notes, as a page that opens from the disk";
  const press = button("Save the episode as one file", hint, async () => {
    const { episode, methods } = store.state;
    press.disabled = true;
    try {
      const some = bookmarks.list.filter((each) => each.episode === episode);
      const page = await api.exported({ episodes: [episode], methods, bookmarks: some });
      saveAs(URL.createObjectURL(page), `episode-${episode}.html`);
    } catch (error) {
      toast(error.message, "failed");
    }
    press.disabled = false;
  });
  return press;
}

function bookmarkItem({ episode, step, note }, bookmarks, moves, shownEpisode, shownStep) {
  const text = el("textarea", {
    rows: 2,
    value: note,
    placeholder: "a note",
    "aria-label": `note to episode ${episode}, step ${step}`,
    oninput: () => bookmarks.write(episode, step, text.value),
  });
  const open = () => moves.jump(episode, step);
  const go = el(
    "button",
    { type: "button", onclick: open },
    el("b", {}, icon("star")),
    `episode ${episode}, step ${step}`,
  );
  const forget = button("×", "forget this bookmark", () => bookmarks.toggle(episode, step), {
    className: "icon",
    "aria-label": `forget the bookmark of episode ${episode}, step ${step}`,
  });
  const item = el("li", { className: "bookmark" }, go, forget, text);
  if (episode === shownEpisode && step === shownStep) item.ariaCurrent = "true";
  return item;
}
