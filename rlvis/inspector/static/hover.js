/** What is under the pointer, in words beside it: one box for the whole page. */

import { el, placeOver } from "./dom.js";

const AWAY = 14;

const box = el("div", { className: "tip over", hidden: true, "aria-hidden": "true" });
let shown = null;

/** Show words while the pointer is over an element.
 *
 * `words(x, y, target)` gets the place in shares of the element and what is pointed at in it; it
 * gives a text, or null where there is nothing to say.
 */
export function hovered(element, words) {
  element.addEventListener("pointermove", (event) => {
    const { clientX, clientY, target } = event;
    shown = { words, target, place: placeOver(event, element), clientX, clientY };
    refreshHover();
  });
  for (const kind of ["pointerleave", "pointercancel"]) {
    element.addEventListener(kind, () => {
      shown = null;
      refreshHover();
    });
  }
}

/** Say anew what is under the pointer, since that may have changed. */
export function refreshHover() {
  const text = shown && shown.words(...shown.place, shown.target);
  box.hidden = !text;
  if (!text) return;
  if (!box.isConnected) document.body.append(box);
  if (box.textContent !== text) box.textContent = text;
  const { offsetWidth, offsetHeight } = box;
  const right = shown.clientX + AWAY + offsetWidth < innerWidth;
  const below = shown.clientY + AWAY + offsetHeight < innerHeight;
  const x = right ? shown.clientX + AWAY : shown.clientX - AWAY - offsetWidth;
  const y = below ? shown.clientY + AWAY : shown.clientY - AWAY - offsetHeight;
  box.style.transform = `translate(${x}px, ${y}px)`;
}
