/** Runs of steps, fetched around where one looks and kept for a while. */

const AT_ONCE = 2;

/** Blocks of one kind of thing.
 *
 * `fetchBlock(key, start, stop)` gives a block; `arrived()` is called whenever one came or failed;
 * `ahead` says how many to either side of the wanted one are fetched, too.
 */
export class Blocks {
  #kept = new Map();
  #waiting = [];
  #running = 0;

  constructor(fetchBlock, { size, most, arrived, ahead = 1 }) {
    Object.assign(this, { fetchBlock, size, most, arrived, ahead });
  }

  /** The block with a step and the step's place in it; null while it is on its way.
   *
   * `key` says what it is of (and holds all that the fetch needs), `steps` how many there are.
   */
  at(key, step, steps) {
    const start = Math.floor(step / this.size) * this.size;
    const name = `${key}|${start}`;
    const block = this.#kept.get(name);
    for (let away = this.ahead; away > 0; away -= 1) {
      this.#ask(key, start - away * this.size, steps);
      this.#ask(key, start + away * this.size, steps);
    }
    if (!block) {
      this.#ask(key, start, steps);
      return null;
    }
    this.#kept.delete(name);
    this.#kept.set(name, block);
    return block === "asked" ? null : { ...block, index: step - start };
  }

  /** What is kept of a key. */
  *known(key) {
    for (const [name, block] of this.#kept) {
      if (block !== "asked" && name.startsWith(`${key}|`)) yield block;
    }
  }

  #ask(key, start, steps) {
    const name = `${key}|${start}`;
    if (start < 0 || start >= steps || this.#kept.has(name)) return;
    const waiting = this.#waiting.filter((each) => each.name !== name);
    this.#waiting = [...waiting, { name, key, start, stop: Math.min(steps, start + this.size) }];
    if (this.#waiting.length > 12) this.#waiting.shift();
    queueMicrotask(() => this.#run());
  }

  async #run() {
    if (this.#running >= AT_ONCE || !this.#waiting.length) return;
    const { name, key, start, stop } = this.#waiting.pop();
    this.#running += 1;
    this.#kept.set(name, "asked");
    try {
      this.#keep(name, { start, content: await this.fetchBlock(key, start, stop) });
    } catch (error) {
      this.#keep(name, { start, error: error.message });
    }
    this.#running -= 1;
    this.arrived();
    this.#run();
  }

  #keep(name, block) {
    this.#kept.set(name, block);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.most) break;
      if (this.#kept.get(oldest) !== "asked") this.#kept.delete(oldest);
    }
  }
}
