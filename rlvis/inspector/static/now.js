/** A world that runs: the last answer of the server, and the numbers since it was reset.
 *
 * It answers what `Recorded` answers, so that the same panels show it.
 */

import { limitOf, shareOf, Strengths } from "./heat.js";
import { row } from "./packs.js";

const NUMBERS = ["value", "reward", "entropy", "margin", "taken"];
const OF_ACTIONS = ["probability", "logit", "entry"];
const MOST = 5000;

export class Now {
  #strengths = new Map();
  #history = [];
  #socket = null;
  #asked = new Map();
  #number = 0;
  #numbers = null;

  /** `arrived(head)` is called with every answer, `lost(reason)` when there will be none. */
  constructor(api, info, { want, arrived, lost }) {
    Object.assign(this, { api, info, want, arrived, lost });
    const margin = ["margin"].filter((each) => info.targets.includes(each));
    this.columns = [...info.actions.map((each) => each.name), ...margin];
    this.last = null;
  }

  /** Open the line, and ask for something first. */
  connect(unpack, first) {
    this.#socket = this.api.live();
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.ask(first).catch(this.lost);
    this.#socket.onmessage = ({ data }) => this.#came(unpack(data));
    this.#socket.onclose = () =>
      this.lost(new Error("the server closed the line; load the page anew"));
  }

  /** Ask for something to be done; what it answers, once it did. */
  ask(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN)
      return Promise.reject(new Error("not connected"));
    const id = (this.#number += 1);
    this.#socket.send(JSON.stringify({ ...message, id, want: this.want() }));
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
  }

  #came({ head, arrays }) {
    if (!head.error) this.#remember(head, arrays);
    for (const [id, { resolve, reject }] of this.#asked) {
      if (id > head.id) continue;
      this.#asked.delete(id);
      if (head.error && id === head.id) reject(new Error(head.error));
      else resolve(head);
    }
    this.arrived(head);
  }

  #remember(head, arrays) {
    this.last = { head, arrays };
    this.#numbers = null;
    this.#history.length = Math.min(this.#history.length, head.step, MOST);
    const ofActions = OF_ACTIONS.map((name) => [name, arrays[name]?.data]);
    this.#history[head.step] = { ...head, ...Object.fromEntries(ofActions) };
    if (head.step === 0) this.#strengths.clear();
    for (const [method, facts] of Object.entries(head.maps ?? {})) {
      if (facts.error) continue;
      if (!this.#strengths.has(method)) this.#strengths.set(method, new Strengths());
      const strengths = this.#strengths.get(method);
      strengths.add(head.id + head.step / 1e6, arrays[`maps:${method}`], arrays[`scale:${method}`]);
    }
  }

  /** The numbers since the reset, as those of an episode; null until there are any. */
  numbers() {
    if (this.last && !this.#numbers) this.#numbers = this.#counted();
    return this.#numbers;
  }

  #counted() {
    const steps = this.#history.length;
    const arrays = {};
    const all = (name) => Float32Array.from(this.#history, (each) => each?.[name] ?? NaN);
    for (const name of NUMBERS) arrays[name] = { data: all(name), shape: [steps] };
    const count = this.info.actions.length;
    for (const name of OF_ACTIONS) {
      const data = new Float32Array(steps * count).fill(NaN);
      this.#history.forEach((each, step) => each?.[name] && data.set(each[name], step * count));
      arrays[name] = { data, shape: [steps, count] };
    }
    return { head: { ...this.last.head, steps }, arrays };
  }

  number(_, name, step) {
    const value = this.#history[step]?.[name];
    return value ?? null;
  }

  /** What the server knows this moment by. */
  address() {
    const { world, moment } = this.last?.head ?? {};
    return [world, moment];
  }

  /** A moment in words. */
  named(_, step) {
    return `step ${step}`;
  }

  /** What names the picture that is shown. */
  place() {
    return this.address().join();
  }

  frame() {
    return this.last?.arrays.frame ?? null;
  }

  map({ method, target, norm }) {
    const facts = this.last?.head.maps?.[method];
    if (!facts) return null;
    if (facts.error) return { error: facts.error };
    const [maps, scale] = [this.last.arrays[`maps:${method}`], this.last.arrays[`scale:${method}`]];
    const column = this.want().targets.indexOf(target);
    if (column < 0 || column >= maps.shape[0]) return null;
    const at = (place) => ({
      levels: row(maps, place).data,
      shape: maps.shape.slice(1),
      most: scale.data[place],
    });
    const every = () => [...Array(maps.shape[0]).keys()].map(at);
    const limits = {
      map: () => limitOf([at(column)]),
      frame: () => limitOf(every()),
      episode: () => this.#strengths.get(method).limit(),
    };
    return {
      ...at(column),
      ...facts,
      of: `${method}|${column}`,
      unit: facts.units?.[column] ?? "",
      caveat: facts.caveat,
      name: facts.targets?.[column] ?? target,
      notes: facts.notes?.[column] ?? [],
      window: shareOf(facts.window, this.info.frame[0], this.info.frame[1], column),
      limit: limits[norm](),
    };
  }
}
