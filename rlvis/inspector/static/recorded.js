/** A recording at hand: numbers, frames, views and maps of a step, or null until they come. */

import { Blocks } from "./blocks.js";
import { limitOf, shareOf, Strengths } from "./heat.js";
import { row } from "./packs.js";

export const CHOSEN = "chosen";
const SLOW = 1;
const QUICK = 32;
const VIEWS = 8;
const MOST_COLUMNS = 12;

export class Recorded {
  #numbers = new Map();
  #strengths = new Map();

  /** `arrived()` is called whenever something came. */
  constructor(api, info, arrived) {
    Object.assign(this, { api, info, arrived });
    const named = info.actions.slice(0, MOST_COLUMNS).map((each) => each.name);
    this.columns = [...named, CHOSEN].filter((each) => info.targets.includes(each));
    const slow = new Set(info.methods.filter((each) => each.slow).map((each) => each.name));
    const maps = (key, start, stop) => {
      const { episode, method, targets, layer } = JSON.parse(key);
      return api.maps(episode, start, stop, method, targets, layer);
    };
    this.isSlow = (method) => slow.has(method);
    this.frames = new Blocks((key, ...run) => api.frames(+key, ...run), {
      size: 128,
      most: 24,
      arrived,
    });
    this.views = new Blocks((key, ...run) => api.views(+key, ...run), {
      size: VIEWS,
      ahead: 5,
      most: 96,
      arrived,
    });
    this.quick = new Blocks(maps, { size: QUICK, most: 96, arrived });
    this.slow = new Blocks(maps, { size: SLOW, most: 512, arrived });
  }

  /** The numbers of an episode: `{head, arrays}`; null until they come. */
  numbers(episode) {
    const known = this.#numbers.get(episode);
    if (known) return known.content ?? null;
    const entry = {};
    this.#numbers.set(episode, entry);
    this.api.episode(episode).then(
      (content) => this.#came(entry, content),
      (error) => this.#came(entry, { head: { steps: 0, error: error.message }, arrays: {} }),
    );
    return null;
  }

  #came(entry, content) {
    entry.content = content;
    this.arrived();
  }

  /** One number of a step by name, null where nobody knows it. */
  number(episode, name, step) {
    const value = this.numbers(episode)?.arrays[name]?.data[step];
    return value === undefined || Number.isNaN(value) ? null : value;
  }

  /** What the server knows a step by: the numbers of the episode and of the step. */
  address({ episode, step }) {
    return [episode, step];
  }

  /** What names the picture of a step. */
  place(state) {
    return this.address(state).join();
  }

  /** A step in words. */
  named(episode, step) {
    return `episode ${episode}, step ${step}`;
  }

  /** What was seen at a step, `{data, shape}`. */
  frame(episode, step) {
    return this.#picture(this.frames, "frames", episode, step);
  }

  /** The environment's own view, `{data, shape}`; undefined where it has none. */
  view(episode, step) {
    return this.#picture(this.views, "views", episode, step);
  }

  #picture(blocks, name, episode, step) {
    const steps = this.numbers(episode)?.head.steps ?? 0;
    const block = steps ? blocks.at(String(episode), step, steps) : null;
    if (!block || block.error) return block && undefined;
    const array = block.content.arrays[name];
    return array && row(array, block.index);
  }

  /** The map of a target at a step: see `heatPixels`, with what it is; null until it comes.
   *
   * `norm` says what full strength stands for: "episode", "frame" or "map".
   */
  map({ episode, step, method, target, layer, norm }) {
    const targets = this.columns.includes(target) ? this.columns : [target];
    const reads = this.info.methods.find((each) => each.name === method)?.layer;
    const key = JSON.stringify({ episode, method, targets, layer: reads ? layer || null : null });
    const steps = this.numbers(episode)?.head.steps ?? 0;
    const blocks = this.isSlow(method) ? this.slow : this.quick;
    const block = steps ? blocks.at(key, step, steps) : null;
    if (!block) return null;
    if (block.error) return { error: block.error };
    const column = targets.indexOf(target);
    const { head } = block.content;
    const found = this.#map(block, column);
    return {
      ...found,
      of: `${key}|${column}`,
      window: shareOf(head.window, this.info.frame[0], this.info.frame[1], column),
      signed: head.signed,
      layer: head.layer,
      unit: head.units?.[column] ?? "",
      caveat: head.caveat,
      name: head.targets?.[block.index]?.[column] ?? target,
      score: head.scores?.[block.index]?.[column] ?? null,
      notes: head.notes?.[block.index]?.[column] ?? [],
      limit: this.#limit(key, blocks, block, column, targets.length, norm),
    };
  }

  #map({ content, index }, column) {
    const { maps, scale } = content.arrays;
    const columns = maps.shape[1];
    const size = maps.shape[2] * maps.shape[3];
    const place = index * columns + column;
    return {
      levels: maps.data.subarray(place * size, (place + 1) * size),
      shape: maps.shape.slice(2),
      most: scale.data[place],
    };
  }

  #limit(key, blocks, block, column, columns, norm) {
    if (norm === "map") return limitOf([this.#map(block, column)]);
    if (norm === "frame") {
      return limitOf([...Array(columns).keys()].map((each) => this.#map(block, each)));
    }
    if (!this.#strengths.has(key)) this.#strengths.set(key, new Strengths());
    const strengths = this.#strengths.get(key);
    for (const { start, content } of blocks.known(key)) {
      if (content) strengths.add(start, content.arrays.maps, content.arrays.scale);
    }
    return strengths.limit();
  }
}
