/** The view of a classifier: a photo dropped or taken, its likeliest labels, a heatmap of each. */

import { heatControls } from "./controls.js";
import { button, byId, el, fitCanvas, panel, short, toast } from "./dom.js";
import { legend, pictureWithHeat } from "./frame.js";
import { drawPixels, heatPixels, limitOf, picturePixels, shareOf } from "./heat.js";
import { bindKeys, toggleHelp } from "./keys.js";
import { Moves } from "./moves.js";
import { row } from "./packs.js";
import { bindAddress, fromHash, Store } from "./store.js";

const MOST_BYTES = 20e6;

/** Build the view into an element, and keep it up to date. */
export async function photoView(info, api, work) {
  const names = info.methods.filter((each) => each.possible !== false).map((each) => each.name);
  const method = names.includes("grad-cam") ? "grad-cam" : names[0];
  const usual = {
    view: "photo",
    step: 0,
    target: "top 5",
    layer: "",
    norm: "frame",
    opacity: 0.85,
    colour: false,
    heat: true,
  };
  const store = new Store({ ...usual, method, methods: [method], ...fromHash(location.hash) });
  store.state.view = "photo";
  const recorded = { columns: [], numbers: () => null, number: () => null };
  const bookmarks = { find: () => null, list: [], toggle() {} };
  const at = {
    api,
    info,
    store,
    recorded,
    bookmarks,
    moments: [],
    views: [],
    order: () => [],
    norms: ["frame", "map"],
    filter() {},
    still() {},
  };
  const moves = (at.moves = new Moves(at));
  const heat = heatControls(at);
  const photo = photoPanel(at);
  work.className = "photo";
  work.replaceChildren(heat.bar, photo.large, photo.labels);
  byId("help-button").onclick = () => toggleHelp(moves);
  store.listen((state, changed) => {
    heat.update(state);
    if (["method", "target", "layer"].some((name) => changed.has(name))) photo.explain();
    photo.update(state);
  });
  bindAddress(store, () => {});
  bindKeys(moves);
  new ResizeObserver(() => store.touch("size")).observe(work);
  store.touch("view");
  if (info.pictures) photo.explain();
}

function photoPanel({ api, info, store }) {
  const drawn = pictureWithHeat("the photo as the network sees it");
  const { box, update: label } = legend();
  const invite = el("p", { className: "invite" }, "Drop a photo here");
  const status = el("p", { className: "muted", role: "status" });
  const input = el("input", {
    type: "file",
    accept: "image/*",
    hidden: true,
    onchange: () => take(input.files[0]),
  });
  const choose = button("Choose a photo", "from this machine", () => input.click());
  const large = panel(
    "large",
    "What the network sees",
    [choose, " ", webcamButton(take), input],
    drawn.stage,
    el("footer", {}, box, status),
  );
  const list = el("div", { className: "labels" });
  const labels = panel("labelled", "What it says", null, el("div", { className: "scroll" }, list));
  drawn.picture.append(invite);
  let file = null;
  let id = info.pictures ? 0 : null;
  let answer = null;
  let chosen = 0;

  for (const kind of ["dragover", "drop"]) {
    addEventListener(kind, (event) => {
      event.preventDefault();
      if (kind === "drop" && event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
  }
  addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) take(event.clipboardData.files[0]);
  });

  function take(given) {
    if (!given) return;
    if (given.size > MOST_BYTES) return toast("that photo has more than 20 MB", "failed");
    file = given;
    id = null;
    explain();
  }

  async function explain() {
    if (!file && id === null) return;
    const { method, target, layer } = store.state;
    const values = { method, target: target === "top 5" ? null : target, layer };
    status.textContent = "looking…";
    try {
      answer = id === null ? await api.photo(file, values) : await api.photoAgain(id, values);
      id = answer.head.id ?? id;
      status.textContent = "";
      invite.hidden = true;
      chosen = 0;
      list.replaceChildren(...answer.head.labels.map((name, place) => labelled(name, place)));
    } catch (error) {
      status.textContent = error.message;
    }
    store.touch("data");
  }

  const mapAt = (place) => {
    const { head, arrays } = answer;
    const [height, width] = arrays.picture.shape;
    const { data, shape } = row(arrays.maps, place);
    const window = shareOf(head.window, head.size?.[0] ?? height, head.size?.[1] ?? width);
    return {
      levels: data,
      shape,
      most: arrays.scale.data[place],
      window,
      signed: head.signed,
      unit: head.units?.[place] ?? "",
    };
  };

  function limitAt(place, norm) {
    const places = norm === "map" ? [place] : answer.head.labels.map((_, each) => each);
    return limitOf(places.map(mapAt));
  }

  function labelled(name, place) {
    const canvas = el("canvas", { "aria-hidden": "true" });
    const share = answer.head.probability?.[place];
    const fill = el("i");
    fill.style.width = `${100 * (share ?? 0)}%`;
    const open = () => {
      chosen = place;
      store.touch("data");
    };
    const words = el(
      "div",
      {},
      el("p", {}, el("b", {}, name), el("span", { className: "value" }, short(share))),
      el("div", { className: "meter" }, fill),
    );
    return el(
      "button",
      {
        type: "button",
        className: "label",
        onclick: open,
        "aria-label": `${name}, ${short(share)}`,
      },
      canvas,
      words,
    );
  }

  const update = (state) => {
    if (!answer) return;
    const seen = answer.arrays.picture;
    const show = (place) => ({ ...mapAt(place), limit: limitAt(place, state.norm) });
    const map = show(chosen);
    drawn.show(seen, state.heat ? map : null, state);
    label(map, state.method, state.norm);
    box.classList.toggle("off", !state.heat);
    [...list.children].forEach((each, place) => {
      each.setAttribute("aria-pressed", place === chosen);
      const canvas = each.firstChild;
      const [height, width] = seen.shape;
      fitCanvas(canvas, 160, (160 * height) / width);
      drawPixels(canvas, picturePixels(seen, !state.colour));
      const { window, limit, signed, ...rest } = show(place);
      if (state.heat)
        drawPixels(
          canvas,
          heatPixels(rest, canvas.width, canvas.height, window, limit, signed, state.opacity),
        );
    });
  };
  return { large, labels, update, explain };
}

/** A photo from the webcam, where there is one. */
function webcamButton(take) {
  const press = button("Webcam", "a photo from the webcam", async () => {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: true });
      const video = el("video", { srcObject: stream, muted: true });
      await video.play();
      const canvas = el("canvas", { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext("2d").drawImage(video, 0, 0);
      stream.getTracks().forEach((each) => each.stop());
      canvas.toBlob((blob) => take(blob), "image/png");
    } catch (error) {
      toast(`no picture from the webcam: ${error.message}`, "failed");
    }
  });
  press.hidden = !navigator.mediaDevices?.getUserMedia;
  return press;
}
