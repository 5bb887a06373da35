/** What an audit found: the view of its page. */

import { el } from "./dom.js";

/** The audit's own page, in a frame that runs nothing and keeps its style to itself. */
export function auditPanel({ api }) {
  const said = el("p", { className: "state", role: "status" }, "Opening…");
  const section = el("section", { className: "panel", "aria-label": "the audit" }, said);
  let isAsked = false;
  const update = () => {
    if (isAsked) return;
    isAsked = true;
    api.audit().then(
      ({ page }) => said.replaceWith(frameOf(page)),
      (error) => said.replaceChildren(error.message),
    );
  };
  return { section, update };
}

function frameOf(page) {
  const frame = el("iframe", { title: "the audit's page", srcdoc: page });
  frame.setAttribute("sandbox", "allow-same-origin");
  frame.onload = () =>
    frame.contentDocument.addEventListener("keydown", (event) => passOn(event, frame));
  return frame;
}

/** The keys of the page work in the frame, too. */
function passOn(event, frame) {
  const { key, shiftKey, ctrlKey, metaKey, altKey } = event;
  const again = new KeyboardEvent("keydown", {
    ...{ key, shiftKey, ctrlKey, metaKey, altKey },
    bubbles: true,
    cancelable: true,
  });
  if (!frame.dispatchEvent(again)) event.preventDefault();
}
