/** What the user can do to the state: every key and every button ends here. */

import { toast } from "./dom.js";
import { imageLayers } from "./layers.js";

export const NORMS = ["episode", "frame", "map"];
export const SPEEDS = [2, 5, 10, 20, 30, 60];

const cyclic = (list, current, by) =>
  list[(list.indexOf(current) + by + list.length) % list.length];

/** How things are looked at: what is explained, and how it is drawn. */
export class Looks {
  /** `at` is `{store, info, recorded, views, norms, methods}`. */
  constructor(at) {
    this.at = at;
  }

  get state() {
    return this.at.store.state;
  }

  toggle(name) {
    this.at.store.set({ [name]: !this.state[name] });
  }

  method(by) {
    this.at.store.set({ method: cyclic(this.at.methods(), this.state.method, by) });
  }

  target(by) {
    this.at.store.set({ target: cyclic(this.at.recorded.columns, this.state.target, by) });
  }

  layer(by) {
    const names = ["", ...imageLayers(this.at.info)];
    this.at.store.set({ layer: cyclic(names, this.state.layer, by), unit: null });
    toast(`layer: ${this.state.layer || "the last with an image"}`);
  }

  norm() {
    this.at.store.set({ norm: cyclic(this.at.norms, this.state.norm, 1) });
    toast(`full strength: of the ${this.state.norm}`);
  }

  opacity(by) {
    const next = Math.round((this.state.opacity + by) * 20) / 20;
    this.at.store.set({ opacity: Math.max(0, Math.min(1, next)), heat: true });
  }

  view(name) {
    this.at.store.set({ view: name, playing: false });
  }
}

/** The way in time of a recording. */
export class Moves extends Looks {
  #clock = 0;

  /** `at` has `{moments, bookmarks, order, filter}`, too. */
  constructor(at) {
    super(at);
    at.store.listen((state, changed) => {
      if (changed.has("playing") && state.playing) this.#play(performance.now());
    });
  }

  get steps() {
    return this.at.recorded.numbers(this.state.episode)?.head.steps ?? 0;
  }

  /** Go to a step of the episode, the nearest there is. */
  go(step) {
    this.at.store.set({ step: Math.max(0, Math.min(this.steps - 1, Math.round(step))) });
  }

  step(by) {
    this.at.store.set({ playing: false });
    this.go(this.state.step + by);
  }

  end() {
    this.step(this.steps);
  }

  /** Go to a step of any episode. */
  jump(episode, step = 0) {
    this.at.store.set({ episode, step, playing: false });
  }

  /** The next episode in the order of the table. */
  episode(by) {
    const order = this.at.order();
    if (!order.length) return;
    const place = order.indexOf(this.state.episode);
    const next = place < 0 ? 0 : Math.max(0, Math.min(order.length - 1, place + by));
    this.jump(order[next]);
  }

  /** The next moment that matters, over all episodes. */
  moment(by) {
    const { episode, step } = this.state;
    const after = (each) => each.episode - episode || each.step - step;
    const sorted = [...this.at.moments].sort((a, b) => a.episode - b.episode || a.step - b.step);
    const ahead = sorted.filter((each) => after(each) * by > 0);
    const found = by > 0 ? ahead[0] : ahead.at(-1);
    if (!found) return toast(by > 0 ? "no moment after this one" : "no moment before this one");
    this.jump(found.episode, found.step);
  }

  play() {
    const { playing, step } = this.state;
    if (!playing && step >= this.steps - 1) this.go(0);
    this.at.store.set({ playing: !playing });
  }

  speed(by) {
    const place = SPEEDS.indexOf(this.state.speed) + by;
    this.at.store.set({ speed: SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, place))] });
    toast(`${this.state.speed} steps a second`);
  }

  bookmark() {
    const { episode, step } = this.state;
    this.at.bookmarks.toggle(episode, step);
    this.at.store.set({ side: "bookmarks" });
  }

  #play(since) {
    cancelAnimationFrame(this.#clock);
    const tick = (now) => {
      const { playing, speed, step } = this.state;
      if (!playing) return;
      const by = Math.floor(((now - since) * speed) / 1000);
      if (by > 0) {
        since += (by * 1000) / speed;
        this.go(step + by);
        if (this.state.step >= this.steps - 1) this.at.store.set({ playing: false });
      }
      this.#clock = requestAnimationFrame(tick);
    };
    this.#clock = requestAnimationFrame(tick);
  }
}
