/** The tabs of the views at the head of the page, and the one that is shown. */

import { byId, changes, el } from "./dom.js";

/** Tabs of `at.views`; `update(state, changed)` keeps the one that is shown up to date.
 *
 * An address may name a view that is not there: then it is the first.
 */
export function viewTabs(at) {
  const { views, looks } = at;
  const parts = new Map(views.map(({ name, part }) => [name, part(at)]));
  const shown = el("div", {
    className: "shown",
    id: "shown",
    role: views.length > 1 ? "tabpanel" : null,
  });
  const buttons = views.map(({ name, title, about }, place) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `view-${name}`,
        "aria-controls": "shown",
        title: `${about} (${place + 1})`,
        onclick: () => looks.view(name),
      },
      title,
    ),
  );
  const list = byId("views");
  list.hidden = views.length < 2;
  list.replaceChildren(...buttons);
  list.onkeydown = (event) => moveTab(event, buttons);
  const isNew = changes();
  const update = (state, changed) => {
    const view = parts.has(state.view) ? state.view : views[0].name;
    if (isNew(view)) show(view);
    parts.get(view).update(state, changed);
  };

  function show(view) {
    shown.replaceChildren(parts.get(view).section);
    shown.setAttribute("aria-labelledby", `view-${view}`);
    byId("work").dataset.view = view;
    buttons.forEach((each, place) => {
      const isShown = views[place].name === view;
      each.setAttribute("aria-selected", isShown);
      each.tabIndex = isShown ? 0 : -1;
    });
  }
  return { shown, update };
}

/** Arrow keys go through the tabs. */
export function moveTab(event, buttons) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const place = buttons.indexOf(document.activeElement);
  const next = buttons[(place + by + buttons.length) % buttons.length];
  next.focus();
  next.click();
}
