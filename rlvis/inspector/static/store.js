/** What is shown: one object of plain values, its address in the hash, and who is told of changes. */

const REMEMBERED = {
  view: String,
  episode: Number,
  step: Number,
  method: String,
  methods: (text) => text.split(",").filter(Boolean),
  target: String,
  layer: String,
  unit: Number,
  norm: String,
  opacity: Number,
  colour: (text) => text === "1",
  heat: (text) => text === "1",
  speed: Number,
  side: String,
  label: Number,
  seed: Number,
};

/** The part of the state that an address holds. */
export function fromHash(hash) {
  const found = {};
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    const value = REMEMBERED[name]?.(text);
    if (value !== undefined && !Number.isNaN(value)) found[name] = value;
  }
  return found;
}

/** The address of a state. */
export function toHash(state) {
  const pairs = Object.keys(REMEMBERED)
    .filter((name) => state[name] !== undefined && state[name] !== null && state[name] !== "")
    .map((name) => [name, state[name] === true ? "1" : state[name] === false ? "0" : state[name]]);
  return `#${new URLSearchParams(pairs)}`;
}

/** The state; listeners are told once a frame what changed. */
export class Store {
  #listeners = [];
  #changed = new Set();
  #due = false;

  constructor(state) {
    this.state = state;
  }

  /** Change some values. */
  set(values) {
    for (const [name, value] of Object.entries(values)) {
      if (Object.is(this.state[name], value)) continue;
      this.state[name] = value;
      this.#changed.add(name);
    }
    if (this.#changed.size) this.#plan();
  }

  /** Tell the listeners, as if these values had changed. */
  touch(...names) {
    names.forEach((name) => this.#changed.add(name));
    this.#plan();
  }

  /** Call with the state and the set of names that changed. */
  listen(listener) {
    this.#listeners.push(listener);
  }

  #plan() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => this.flush());
  }

  /** Tell the listeners now, where there is something to tell. */
  flush() {
    if (!this.#due) return;
    this.#due = false;
    const changed = this.#changed;
    this.#changed = new Set();
    for (const listener of this.#listeners) listener(this.state, changed);
  }
}

const IN_AN_ADDRESS = 250;
const nameOf = (place) => `rlvis place ${place}`;

/** The part of the state where one was: on a reload of this tab, by the address, or here last. */
export function startingPlace(place) {
  const [{ type } = {}] = performance.getEntriesByType("navigation");
  const address = location.hash.length > 1 ? location.hash : null;
  const reloaded = type === "reload" ? kept(() => sessionStorage, place) : null;
  return fromHash(reloaded ?? address ?? kept(() => localStorage, place) ?? "");
}

/** Keep the address and the place up to date, and follow the address where the user changes it.
 *
 * Browsers take few changes of an address a second; what came since is written when the page goes.
 * The user's address is the event's: ours may have been written since.
 */
export function bindAddress(store, place) {
  let waiting = 0;
  const write = () => {
    waiting = 0;
    const hash = toHash(store.state);
    if (hash !== location.hash) history.replaceState(null, "", hash);
    keep(() => sessionStorage, place, hash);
    keep(() => localStorage, place, hash);
  };
  store.listen(() => {
    if (!waiting) waiting = setTimeout(write, IN_AN_ADDRESS);
  });
  addEventListener("pagehide", write);
  addEventListener("hashchange", ({ newURL }) => store.set(fromHash(new URL(newURL).hash)));
}

function kept(storage, place) {
  try {
    return storage().getItem(nameOf(place));
  } catch {
    return null;
  }
}

function keep(storage, place, hash) {
  try {
    storage().setItem(nameOf(place), hash);
  } catch {
    // a browser that keeps nothing: the address still says where one is
  }
}
