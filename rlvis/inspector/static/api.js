/** What is looked at, asked of the server or of the file the page is in: the same questions. */

import { embedded } from "./embedded.js";
import { unpack } from "./packs.js";

/** An answer that says what was wrong with the question. */
export class Refused extends Error {}

const query = (values) => {
  const pairs = Object.entries(values).flatMap(([name, value]) =>
    [value].flat().map((each) => [name, each]),
  );
  return new URLSearchParams(pairs.filter(([, value]) => value !== null && value !== ""));
};

async function ask(path, values = {}, options = {}) {
  const text = query(values).toString();
  let answer;
  try {
    answer = await fetch(text ? `${path}?${text}` : path, options);
  } catch {
    throw new Refused("the server does not answer; is `rlvis inspect` still running?");
  }
  if (answer.ok && !answer.headers.has("rlvis-refused")) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Refused(said.error ?? `the server says ${answer.status}`);
}

const json = async (...question) => (await ask(...question)).json();
const packed = async (...question) => unpack(await (await ask(...question)).arrayBuffer());

/** JSON or a pack, whichever comes: a pack is `{head, arrays}`, JSON its head alone. */
async function either(...question) {
  const answer = await ask(...question);
  const isJson = answer.headers.get("content-type").startsWith("application/json");
  return isJson ? { head: await answer.json(), arrays: {} } : unpack(await answer.arrayBuffer());
}

const posted = (body) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** The questions, asked of the server. */
export const served = {
  info: () => json("/api/info"),
  episodes: () => json("/api/episodes"),
  moments: (most) => json("/api/moments", { most }),
  episode: (number) => packed(`/api/episode/${number}`),
  frames: (number, start, stop) => packed(`/api/frames/${number}`, { start, stop }),
  views: (number, start, stop) => packed(`/api/views/${number}`, { start, stop }),
  maps: (number, start, stop, method, target, layer) =>
    packed(`/api/maps/${number}`, { start, stop, method, target, layer }),
  layer: (number, step, layer) => packed(`/api/layer/${number}/${step}`, { layer }),
  unit: (layer, unit) => packed("/api/unit", { layer, unit }),
  synthesis: (layer, unit) => packed("/api/unit/synthesis", { layer, unit }),
  projection: (number, step, layer, unit) =>
    packed(`/api/unit/projection/${number}/${step}`, { layer, unit }),
  edit: (body) => either("/api/edit", {}, posted(body)),
  playEdit: (body) => either("/api/edit/play", {}, posted(body)),
  whatIf: (body) => either("/api/whatif", {}, posted(body)),
  compare: (body) => either("/api/compare", {}, posted(body)),
  photo: (file, values) =>
    either("/api/photo", values, {
      method: "POST",
      headers: { "content-type": file.type || "application/octet-stream" },
      body: file,
    }),
  photoAgain: (id, values) => packed(`/api/photo/${id}`, values),
  audit: () => json("/api/audit"),
  exported: async (body) => (await ask("/api/export", {}, posted(body))).blob(),
  stillAddress: (values) => `/api/still?${query(values)}`,
  live: () => new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/live`),
};

/** The back end of this page: the file it is in, or the server it came from. */
export const api = embedded() ?? served;
