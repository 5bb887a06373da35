/** Arrays as they arrive: the length of a head, the head as JSON, the arrays; see wire.py. */

const KINDS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
};

/** The head of a pack, and its arrays by name as views of the buffer: `{data, shape}` each. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  let at = 4 + length;
  for (const { name, dtype, shape } of head.arrays) {
    const count = shape.reduce((product, side) => product * side, 1);
    arrays[name] = { data: new KINDS[dtype](buffer, at, count), shape };
    at += Math.ceil((count * KINDS[dtype].BYTES_PER_ELEMENT) / 8) * 8;
  }
  return { head, arrays };
}

/** The part of an array that stands at one place of its first axis. */
export function row({ data, shape }, place) {
  const size = data.length / shape[0];
  return { data: data.subarray(place * size, (place + 1) * size), shape: shape.slice(1) };
}

/** A run of an array's first axis. */
export function rows({ data, shape }, start, stop) {
  const size = data.length / shape[0];
  const shaped = [Math.min(stop, shape[0]) - start, ...shape.slice(1)];
  return { data: data.subarray(start * size, stop * size), shape: shaped };
}
