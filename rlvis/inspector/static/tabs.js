/** The tabs of the views at the head of the page, and the one that is shown. */

import { byId, changes, el } from "./dom.js";

/** Tabs of `at.views`, whose panels are in `parts` by name; `update(state)` shows one of them. */
export function viewTabs({ views, looks }, parts) {
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
  const update = ({ view }) => {
    if (!isNew(view)) return;
    shown.replaceChildren(parts.get(view).section);
    shown.setAttribute("aria-labelledby", `view-${view}`);
    byId("work").dataset.view = view;
    buttons.forEach((each, place) => {
      const isShown = views[place].name === view;
      each.setAttribute("aria-selected", isShown);
      each.tabIndex = isShown ? 0 : -1;
    });
  };
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
