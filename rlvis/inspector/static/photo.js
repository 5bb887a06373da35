/** The view of a classifier: photos dropped or taken, their likeliest labels, a heatmap of each. */

import { heatControls } from "./controls.js";
import { byId, el, say, short } from "./dom.js";
import { refreshHover } from "./hover.js";
import { bindKeys, heatKeys, pageKeys, photoKeys } from "./keys.js";
import { labelsPanel } from "./labels.js";
import { hasImages } from "./layers.js";
import { Looks } from "./moves.js";
import { photoPanel } from "./photo_panel.js";
import { Photos } from "./photos.js";
import { savePicture } from "./still.js";
import { bindAddress, startingPlace, Store } from "./store.js";
import { viewTabs } from "./tabs.js";
import { unitsPanel } from "./units.js";

const VIEWS = [
  {
    name: "photo",
    title: "Why",
    about: "what speaks for each label",
    part: labelsPanel,
    needs: () => true,
  },
  {
    name: "units",
    title: "Units",
    about: "every layer, every unit: what it sees, what comes of switching it off",
    part: unitsPanel,
    needs: hasImages,
  },
];
const ASKED = ["method", "target", "layer", "episode"];

/** Build the view into an element, and keep it up to date. */
export async function photoView(info, api, work) {
  const store = new Store(startingState(info, startingPlace(info.fingerprint)));
  const photos = new Photos(api, info, store);
  const views = VIEWS.filter((each) => each.needs(info));
  const at = { api, info: { ...info, targets: ["top 5"] }, store, photos, recorded: photos, views, norms: ["frame", "map"] };
  const looks = new PhotoLooks(at);
  const photo = (at.photo = photoPanel(at));
  const still = () => savePicture(photo.picture, `photo-${store.state.episode}.png`);
  const quick = info.methods.filter((each) => each.possible !== false && !each.slow);
  Object.assign(at, { looks, still, methods: () => quick.map((each) => each.name) });
  const heat = heatControls(at);
  const parts = new Map(views.map(({ name, part }) => [name, part(at)]));
  const tabs = viewTabs(at, parts);
  work.className = "photo";
  work.replaceChildren(heat.bar, photo.section, tabs.shown);

  store.listen((state, changed) => {
    if (ASKED.some((name) => changed.has(name))) photos.ask();
    tabs.update(state);
    heat.update(state);
    photo.update(state);
    parts.get(state.view).update(state, changed);
    refreshHover();
    if (changed.has("answer") || changed.has("label")) say(spoken(photos, state));
  });
  bindAddress(store, info.fingerprint);
  bindKeys([...photoKeys(photo), ...heatKeys(looks), ...pageKeys(looks)]);
  new ResizeObserver(() => store.touch("size")).observe(work);
  byId("subtitle").textContent = `${info.labels} labels`;
  store.touch("view", "episode");
}

/** A photo's targets are its labels. */
class PhotoLooks extends Looks {
  target(by) {
    const labels = this.at.photos.answer?.head.labels.length ?? 0;
    if (labels) this.at.store.set({ label: (this.state.label + by + labels) % labels });
  }
}

/** Where one was, or the start: `episode` is the number of the photo, null where there is none. */
function startingState(info, place) {
  const names = info.methods.filter((each) => each.possible !== false).map((each) => each.name);
  const usual = names.includes("grad-cam") ? "grad-cam" : names[0];
  return {
    step: 0,
    target: "top 5",
    layer: "",
    unit: null,
    label: 0,
    methods: [],
    norm: "frame",
    opacity: 0.85,
    colour: false,
    heat: true,
    ...place,
    view: VIEWS.some(({ name }) => name === place.view) ? place.view : "photo",
    episode: place.episode ?? (info.pictures ? 0 : null),
    method: names.includes(place.method) ? place.method : usual,
  };
}

/** What the network says of the photo, as a screen reader says it. */
function spoken({ answer }, { label }) {
  if (!answer) return "";
  const { labels, probability } = answer.head;
  const told = (place) => `${labels[place]} ${short(probability?.[place])}`;
  return label ? told(label) : labels.map((_, place) => told(place)).join(", ");
}
