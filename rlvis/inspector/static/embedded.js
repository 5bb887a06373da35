/** The questions answered from the page's own file: see `rlvis export --html`. */

import { rows, unpack } from "./packs.js";

const bytesOf = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));

async function unzipped(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** Pictures as they are in the file, decoded to one array uint8 (n, H, W, 3). */
async function decoded(texts) {
  const pictures = await Promise.all(
    texts.map((each) => createImageBitmap(new Blob([bytesOf(each)]))),
  );
  const { width, height } = pictures[0];
  const sketch = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  const size = width * height;
  const data = new Uint8Array(pictures.length * size * 3);
  pictures.forEach((picture, place) => {
    sketch.drawImage(picture, 0, 0);
    const seen = sketch.getImageData(0, 0, width, height).data;
    for (let pixel = 0, to = place * size * 3; pixel < size; pixel += 1, to += 3) {
      data.set(seen.subarray(pixel * 4, pixel * 4 + 3), to);
    }
  });
  return { data, shape: [pictures.length, height, width, 3] };
}

/** A back end over what the file holds, null where the page was served. */
export function embedded() {
  const holder = document.getElementById("rlvis-file");
  if (!holder) return null;
  const file = JSON.parse(holder.textContent);
  const kept = new Map();
  const packOf = (name) => {
    if (!(name in file.packs)) throw new Error(`${name} is not in this file`);
    if (!kept.has(name)) kept.set(name, unzipped(file.packs[name]).then(unpack));
    return kept.get(name);
  };
  const picturesOf = async (name, kind, start, stop) => {
    const texts = file.pictures[name]?.slice(start, stop);
    return { head: { start }, arrays: texts?.length ? { [kind]: await decoded(texts) } : {} };
  };
  return {
    info: async () => file.info,
    episodes: async () => file.episodes,
    moments: async () => file.moments,
    episode: async (number) => packOf(`episode/${number}`),
    frames: (number, start, stop) => picturesOf(`frames/${number}`, "frames", start, stop),
    views: (number, start, stop) => picturesOf(`views/${number}`, "views", start, stop),
    maps: async (number, start, stop, method, wanted) => {
      const { head, arrays } = await packOf(`maps/${number}/${method}`);
      return cut(head, arrays, start, stop, wanted);
    },
    audit: async () => ({ page: file.audit }),
    bookmarks: file.bookmarks ?? [],
  };
}

/** Some steps and targets of the maps of a whole episode. */
function cut(head, arrays, start, stop, wanted) {
  const asked = head.asked ?? head.targets[0];
  const columns = wanted.map((name) => asked.indexOf(name));
  const missing = wanted.find((_, place) => columns[place] < 0);
  if (missing) throw new Error(`no maps of "${missing}" in this file; it has ${asked.join(", ")}`);
  const [maps, scale] = [rows(arrays.maps, start, stop), rows(arrays.scale, start, stop)];
  const [count, , height, width] = maps.shape;
  const size = height * width;
  const some = new Int8Array(count * columns.length * size);
  const scales = new Float32Array(count * columns.length);
  for (let step = 0; step < count; step += 1) {
    columns.forEach((column, place) => {
      const from = step * asked.length + column;
      const to = step * columns.length + place;
      some.set(maps.data.subarray(from * size, (from + 1) * size), to * size);
      scales[to] = scale.data[from];
    });
  }
  const pick = (list) =>
    list?.slice(start, stop).map((each) => columns.map((column) => each[column]));
  return {
    head: {
      ...head,
      start,
      targets: pick(head.targets),
      units: head.units && columns.map((column) => head.units[column]),
      notes: pick(head.notes),
      scores: pick(head.scores),
    },
    arrays: {
      maps: { data: some, shape: [count, columns.length, height, width] },
      scale: { data: scales, shape: [count, columns.length] },
    },
  };
}
