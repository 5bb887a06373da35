/** The photo that is looked at, large; ways to bring another: chosen, dropped, pasted, taken. */

import { button, changes, el, panel, put, toast } from "./dom.js";
import { legend, pictureWithHeat, readAt } from "./frame.js";
import { hovered } from "./hover.js";
import { icon } from "./icons.js";

export function photoPanel({ store, photos, info }) {
  const { box, update: label } = legend();
  const note = el("p", { className: "note", hidden: true });
  const status = el("p", { className: "muted", role: "status" });
  const drawn = pictureWithHeat(
    "the photo as the network sees it",
    el("footer", {}, note, box, status),
  );
  const invite = el(
    "div",
    { className: "invite" },
    el("p", {}, "Drop a photo here, paste one, or choose one."),
    el("p", { className: "muted" }, `${info.title} says what it sees, and where it looks.`),
  );
  drawn.picture.append(invite);
  const input = el("input", {
    type: "file",
    accept: "image/*",
    hidden: true,
    onchange: () => {
      photos.take(input.files[0]);
      input.value = "";
    },
  });
  const turn = (name, title, by) =>
    button(icon(name), title, () => photos.next(by), { className: "icon", "aria-label": title });
  const [before, after] = [turn("back", "photo before (←)", -1), turn("on", "next photo (→)", 1)];
  const which = el("output", { className: "where" });
  const choose = () => input.click();
  const webcam = () => fromWebcam((file) => photos.take(file));
  const section = panel(
    "large",
    "What the network sees",
    [
      el("span", { className: "which" }, before, which, after),
      button("Choose a photo", "from this machine (o)", choose),
      " ",
      button("Webcam", "a photo from the webcam (w)", webcam),
      input,
    ],
    drawn.stage,
  );
  takeDropped(section, photos);
  let shown = {};
  hovered(drawn.picture, (x, y) => readAt(shown, x, y));
  const isNew = changes();

  const update = (state) => {
    const place = photos.numbers.indexOf(state.episode);
    if (isNew(place, photos.numbers.length)) {
      which.parentNode.hidden = photos.numbers.length < 2;
      put(which, `${place + 1} of ${photos.numbers.length}`);
      before.disabled = place <= 0;
      after.disabled = place >= photos.numbers.length - 1;
    }
    put(status, photos.said);
    if (!photos.answer) return;
    invite.hidden = true;
    const [seen, map] = [photos.frame(), photos.map(state)];
    const usable = state.heat && !map.notes.length ? map : null;
    drawn.show(photos.place(state), seen, usable, state);
    put(note, state.heat ? map.notes.join("; ") : "");
    note.hidden = !note.textContent;
    note.title = note.textContent;
    box.classList.toggle("off", !usable);
    label(map, state.norm);
    shown = { seen, map: usable };
  };
  const next = (by) => photos.next(by);
  return { section, update, choose, webcam, next, picture: drawn.picture };
}

/** Photos that are dropped anywhere or pasted. */
function takeDropped(section, photos) {
  const isOver = (is) => section.classList.toggle("dropping", is);
  const takeFrom = (given) => {
    const [file] = given.files;
    if (file) photos.take(file);
    else toast("that was no picture; drop or paste the file of one", "failed");
  };
  addEventListener("dragover", (event) => {
    event.preventDefault();
    isOver(true);
  });
  addEventListener("dragleave", (event) => isOver(event.relatedTarget !== null));
  addEventListener("drop", (event) => {
    event.preventDefault();
    isOver(false);
    takeFrom(event.dataTransfer);
  });
  addEventListener("paste", (event) => {
    if (!event.target.closest("input, textarea")) takeFrom(event.clipboardData);
  });
}

const REFUSED = {
  NotAllowedError: "the browser may not use the webcam; allow it beside the address",
  NotFoundError: "no webcam is connected",
  NotReadableError: "the webcam is in use by another program",
};

/** Take a photo with the webcam, where there is one. */
async function fromWebcam(take) {
  try {
    if (!navigator.mediaDevices)
      throw new Error("a browser gives it to pages of this machine alone, or over https");
    const stream = await navigator.mediaDevices.getUserMedia({ video: true });
    const video = el("video", { srcObject: stream, muted: true });
    await video.play();
    const canvas = el("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    stream.getTracks().forEach((each) => each.stop());
    canvas.toBlob(take, "image/png");
  } catch (error) {
    toast(`no photo from the webcam: ${REFUSED[error.name] ?? error.message}`, "failed");
  }
}
