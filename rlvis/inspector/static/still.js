/** Pictures saved from the page. */

import { el, toast } from "./dom.js";

const WIDTH = 960;

/** Save what an address gives under a name. */
export function saveAs(address, name) {
  el("a", { download: name, href: address }).click();
  toast(`saved as ${name}`);
}

/** Save a picture with the heat over it, as it is shown. */
export function savePicture(shown, name) {
  const layers = [...shown.querySelectorAll("canvas")].filter((each) => !each.hidden);
  const [base] = layers;
  const picture = el("canvas", {
    width: WIDTH,
    height: Math.round((WIDTH * base.height) / base.width),
  });
  const pen = picture.getContext("2d");
  pen.imageSmoothingQuality = "high";
  for (const each of layers) pen.drawImage(each, 0, 0, picture.width, picture.height);
  saveAs(picture.toDataURL("image/png"), name);
}
