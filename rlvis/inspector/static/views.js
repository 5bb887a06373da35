/** What every kind of page has: its views, where it starts, how it is bound to the browser. */

import { auditPanel } from "./audit.js";
import { bindKeys, heatKeys, pageKeys } from "./keys.js";
import { hasImages } from "./layers.js";
import { methodsOf } from "./methods.js";
import { bindAddress, startingPlace } from "./store.js";
import { unitsPanel } from "./units.js";

const UNITS = {
  name: "units",
  title: "Units",
  about: "every layer, every unit: what it sees, what comes of switching it off",
  part: unitsPanel,
  needs: hasImages,
};
const AUDIT = {
  name: "audit",
  title: "May I believe it?",
  about: "what an audit found: which maps agree with what the network really does",
  part: auditPanel,
  needs: (info) => info.audit,
};

/** The views that there are: why, the units, the page's own, the audit. */
export const viewsOf = (info, why, own = []) =>
  [why, UNITS, ...own, AUDIT].filter((each) => each.needs?.(info) ?? true);

/** The state at the start: what is usual, and over it where one was.
 *
 * A view or methods that are there no more are the usual ones.
 */
export function startingState(info, views, usual) {
  const place = startingPlace(info.fingerprint);
  const names = methodsOf(info);
  const methods = (place.methods ?? []).filter((each) => names.includes(each));
  return {
    episode: 0,
    step: 0,
    layer: "",
    unit: null,
    norm: "episode",
    opacity: 0.85,
    colour: false,
    heat: true,
    ...usual,
    ...place,
    view: views.some(({ name }) => name === place.view) ? place.view : views[0].name,
    methods: methods.length ? methods : usual.methods,
    method: names.includes(place.method) ? place.method : usual.method,
  };
}

/** Follow the address, the keys and the size of the window; draw for the first time. */
export function bindPage({ store, info, looks }, work, keys) {
  bindAddress(store, info.fingerprint);
  bindKeys([...keys, ...heatKeys(looks), ...pageKeys(looks)]);
  new ResizeObserver(() => store.touch("size")).observe(work);
  store.touch("view");
}
