/** The photos that were shown to a classifier, and its answer to the one that is looked at. */

import { toast } from "./dom.js";
import { limitOf, shareOf } from "./heat.js";
import { Latest } from "./latest.js";
import { row } from "./packs.js";

const MOST_BYTES = 20e6;

export class Photos {
  /** `episode` in the state is the number of the photo that is looked at. */
  constructor(api, info, store) {
    Object.assign(this, { api, info, store, answer: null, said: "" });
    this.numbers = [...Array(info.pictures).keys()];
    if (store.state.episode !== null && !this.numbers.includes(store.state.episode))
      this.numbers.push(store.state.episode);
    this.asking = new Latest(
      ({ file, number, values }) =>
        file ? api.photo(file, values) : api.photoAgain(number, values),
      (answer, question) => this.#came(answer, question),
      (error) => this.#failed(error),
    );
  }

  /** Show a file to the network. */
  take(file) {
    if (!file) return;
    if (file.size > MOST_BYTES)
      return toast("that photo has more than 20 MB; choose a smaller one", "failed");
    this.asking.want(file, { file, values: this.#values() });
    this.#say("looking…");
  }

  /** Ask about the photo that is looked at. */
  ask() {
    const number = this.store.state.episode;
    if (number === null) return;
    const values = this.#values();
    const name = JSON.stringify([number, values]);
    if (name === this.asking.asked) return;
    this.asking.want(name, { number, values });
    this.#say("looking…");
  }

  /** The photo before or after. */
  next(by) {
    const place = this.numbers.indexOf(this.store.state.episode) + by;
    if (this.numbers[place] !== undefined)
      this.store.set({ episode: this.numbers[place], label: 0 });
  }

  /** What the server knows the photo by: its number, and no step. */
  address() {
    return [this.answer?.head.id ?? 0, 0];
  }

  /** A photo in words. */
  named(episode) {
    return `photo ${this.numbers.indexOf(episode) + 1}`;
  }

  /** What names the picture that is shown. */
  place({ episode }) {
    return `${episode},${this.answer?.head.id}`;
  }

  /** The photo as the page has it, `{data, shape}`. */
  frame() {
    return this.answer?.arrays.picture ?? null;
  }

  /** The map of a label; see `heatPixels`. */
  map({ label, norm }) {
    const places = norm === "map" ? [label] : this.answer.head.labels.map((_, each) => each);
    return { ...this.#map(label), limit: limitOf(places.map((each) => this.#map(each))) };
  }

  #map(place) {
    const { head, arrays } = this.answer;
    const { data, shape } = row(arrays.maps, place);
    return {
      of: `${head.method}|${head.layer}|${head.labels[place]}`,
      levels: data,
      shape,
      most: arrays.scale.data[place],
      window: shareOf(head.window, ...head.size, place),
      signed: head.signed,
      unit: head.units?.[place] ?? "",
      caveat: head.caveat,
      notes: head.notes?.[place] ?? [],
    };
  }

  #values() {
    const { method, target, layer } = this.store.state;
    return { method, target: target === "top 5" ? null : target, layer };
  }

  #came(answer, { file }) {
    const { id } = answer.head;
    this.answer = answer;
    if (!this.numbers.includes(id)) this.numbers.push(id);
    const { label } = this.store.state;
    const isOther = file || label >= answer.head.labels.length;
    this.store.set({ episode: id, label: isOther ? 0 : label });
    if (file) this.asking.asked = JSON.stringify([id, this.#values()]);
    this.#say("");
    this.store.touch("answer");
  }

  #failed(error) {
    this.asking.forget();
    this.#say(error.message);
  }

  #say(text) {
    this.said = text;
    this.store.touch("said");
  }
}
