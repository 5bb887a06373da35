/** Elements, numbers and words as the page writes them. */

/** An element: attributes by name, `on…` as listeners, then its children. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && !name.includes("-") && name !== "list") made[name] = value;
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** A titled part of the page, with tools at the right of its title. */
export function panel(name, title, tools, ...children) {
  const heading = el("h2", { id: `${name}-title` }, title);
  return el(
    "section",
    { className: `panel ${name}`, "aria-labelledby": `${name}-title` },
    el("header", {}, heading, el("div", { className: "tools" }, tools)),
    children,
  );
}

/** A button that says what it does when pointed at, with its key. */
export function button(label, title, onclick, attributes = {}) {
  return el("button", { type: "button", title, onclick, ...attributes }, label);
}

/** A choice among names; `choose` gets the one chosen. */
export function select(label, names, chosen, choose) {
  const options = names.map((name) =>
    el("option", { value: name, selected: name === chosen }, name),
  );
  const box = el("select", { "aria-label": label, title: label }, options);
  box.addEventListener("change", () => choose(box.value));
  return box;
}

/** Write a text, unless it stands there. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Whether what something is drawn of is another than at the call before. */
export function changes() {
  let last = null;
  return (...what) => {
    const now = what.join("|");
    const isNew = now !== last;
    last = now;
    return isNew;
  };
}

/** A number in few characters; a dash where nobody knows it. */
export function short(number, digits = 2) {
  if (number === null || number === undefined || !Number.isFinite(number)) return "–";
  if (Number.isInteger(number) && Math.abs(number) < 1e5) return typeset(String(number));
  if (Math.abs(number) >= 1e5) return exact(number);
  const text = number.toFixed(Math.abs(number) >= 100 ? 0 : digits);
  return typeset(Number(text) === 0 ? text.replace("-", "") : text);
}

/** A number of which the decimals count, as a probability. */
export const decimal = (number) => short(Number.isInteger(number) ? number + 1e-9 : number);

/** A number that may be very small or large, in two digits. */
export function exact(number) {
  if (!Number.isFinite(number)) return "–";
  const size = Math.abs(number);
  if (size !== 0 && (size < 0.01 || size >= 1e5))
    return typeset(number.toExponential(1).replace("+", ""));
  return typeset(String(Number(number.toPrecision(size >= 100 ? 3 : 2))));
}

/** A label's probability, or its score in words where it has none. */
export const shareWords = ({ probability, words }, place) =>
  Number.isFinite(probability[place]) ? short(probability[place]) : typeset(words[place]);

/** The mean of a continuous action, and what it was before the bounds made it that. */
export function meanWords(entry, mean, boundedBy) {
  if (entry === undefined || mean === undefined) return "–";
  const [shown, given] = [exact(entry), exact(mean)];
  return shown === given ? shown : `${shown} (${given} before ${boundedBy})`;
}

/** True minus signs in numbers and differences; hyphens stay hyphens. */
export const typeset = (text) =>
  text.replace(/(?<![\w.])-(?=[\d.])|(?<=\d[eE])-(?=\d)|(?<= )-(?= )/g, "−");

/** The backing store of a canvas in the screen's own pixels; whether it changed. */
export function fitCanvas(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width === w && canvas.height === h) return false;
  [canvas.width, canvas.height] = [w, h];
  return true;
}

/** Where a pointer is over an element, each 0..1. */
export function placeOver(event, element) {
  const box = element.getBoundingClientRect();
  const inside = (value) => Math.min(1, Math.max(0, value));
  return [
    inside((event.clientX - box.left) / box.width),
    inside((event.clientY - box.top) / box.height),
  ];
}

/** Call with places while the pointer is pressed and moved over an element. */
export function dragged(element, move, end = () => {}) {
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    move(...placeOver(event, element), event);
    const onward = (next) => move(...placeOver(next, element), next);
    const release = (last) => {
      element.removeEventListener("pointermove", onward);
      end(...placeOver(last, element), last);
    };
    element.addEventListener("pointermove", onward);
    element.addEventListener("lostpointercapture", release, { once: true });
  });
}

/** Say something to those who listen to the page. */
export function say(text) {
  byId("said").textContent = text;
}

let speaking = 0;

/** Say what `words()` gives, once nothing newer was to be said for some milliseconds. */
export function saySoon(words, after) {
  clearTimeout(speaking);
  speaking = setTimeout(() => say(words()), after);
}

/** Where one is, at the head of the page: a word, its kind, and numbers behind it. */
export function putPlace(word, kind, numbers) {
  byId("place").replaceChildren(
    el("span", { className: `outcome ${kind}` }, word),
    el("span", { className: "muted" }, ` ${numbers}`),
  );
}

let fading = 0;

/** A word that shows for a moment. */
export function toast(text, kind = "") {
  const box = byId("toast");
  box.textContent = text;
  box.className = `toast shown ${kind}`;
  clearTimeout(fading);
  fading = setTimeout(() => (box.className = "toast"), 4000);
}
