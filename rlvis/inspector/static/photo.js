/** The view of a classifier: photos dropped or taken, their likeliest labels, a heatmap of each. */

import { heatControls } from "./controls.js";
import { byId, say, shareWords } from "./dom.js";
import { refreshHover } from "./hover.js";
import { photoKeys } from "./keys.js";
import { labelsPanel } from "./labels.js";
import { methodsOf } from "./methods.js";
import { Looks } from "./moves.js";
import { photoPanel } from "./photo_panel.js";
import { Photos } from "./photos.js";
import { savePicture } from "./still.js";
import { Store } from "./store.js";
import { viewTabs } from "./tabs.js";
import { bindPage, startingState, viewsOf } from "./views.js";

const WHY = {
  name: "photo",
  title: "Why",
  about: "what speaks for each label",
  part: labelsPanel,
};
const ASKED = ["method", "target", "layer", "episode"];

/** Build the view into an element, and keep it up to date. */
export async function photoView(info, api, work) {
  const views = viewsOf(info, WHY);
  const store = new Store(startingState(info, views, usualState(info)));
  const photos = new Photos(api, info, store);
  const at = { api, info: { ...info, targets: ["top 5"] }, store, photos, recorded: photos, views };
  const looks = new PhotoLooks(at);
  const photo = (at.photo = photoPanel(at));
  const still = () => savePicture(photo.picture, `photo-${store.state.episode}.png`);
  const quick = info.methods.filter((each) => each.possible !== false && !each.slow);
  Object.assign(at, { looks, still, methods: () => quick.map((each) => each.name) });
  at.norms = ["frame", "map"];
  const heat = heatControls(at);
  const tabs = viewTabs(at);
  work.className = "photo";
  work.replaceChildren(heat.bar, photo.section, tabs.shown);

  store.listen((state, changed) => {
    if (ASKED.some((name) => changed.has(name))) photos.ask();
    tabs.update(state, changed);
    heat.update(state);
    photo.update(state);
    refreshHover();
    if (changed.has("answer") || changed.has("label")) say(spoken(photos, state));
  });
  byId("subtitle").textContent = `${info.labels} labels`;
  bindPage(at, work, photoKeys(photo));
  store.touch("episode");
}

/** A photo's targets are its labels. */
class PhotoLooks extends Looks {
  target(by) {
    const labels = this.at.photos.answer?.head.labels.length ?? 0;
    if (labels) this.at.store.set({ label: (this.state.label + by + labels) % labels });
  }
}

/** What a page shows where nobody was: `episode` is the number of the photo, null without one. */
function usualState(info) {
  const names = methodsOf(info);
  return {
    episode: info.pictures ? 0 : null,
    target: "top 5",
    norm: "frame",
    label: 0,
    methods: [],
    method: names.includes("grad-cam") ? "grad-cam" : names[0],
  };
}

/** What the network says of the photo, as a screen reader says it. */
function spoken({ answer }, { label }) {
  if (!answer) return "";
  const { labels } = answer.head;
  const told = (place) => `${labels[place]} ${shareWords(answer.head, place)}`;
  return label ? told(label) : labels.map((_, place) => told(place)).join(", ");
}
