/** The page: what there is to look at, and the view of it. */

import { api } from "./api.js";
import { byId, button, el } from "./dom.js";
import { liveView } from "./live.js";
import { photoView } from "./photo.js";
import { recordingView } from "./recording.js";

const KINDS = { recording: recordingView, live: liveView, photo: photoView };

async function open() {
  const work = byId("work");
  try {
    const info = await api.info();
    const view = KINDS[info.kind];
    if (!view) throw new Error(`this page does not know a ${info.kind}`);
    document.title = `${nameOf(info)} · rlvis`;
    byId("title").textContent = nameOf(info);
    byId("subtitle").textContent = info.policy ? `policy ${info.policy}` : "";
    await view(info, api, work);
  } catch (error) {
    work.replaceChildren(failure(error));
  }
}

const nameOf = (info) => (info.environment ?? info.title ?? "rlvis").replace(/^.*:/, "");

/** What went wrong, and what to do. */
function failure(error) {
  return el(
    "div",
    { className: "state failed", role: "alert" },
    el("h2", {}, "This could not be opened"),
    el("p", {}, error.message),
    button("Try again", "load the page anew", () => location.reload()),
  );
}

open();
