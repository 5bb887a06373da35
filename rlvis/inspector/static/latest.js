/** One question at a time, the latest first: what was asked in between is never sent. */
export class Latest {
  #next = null;
  #isBusy = false;

  /** `came(answer, question)` gets each answer, `failed(error)` what went wrong. */
  constructor(ask, came, failed) {
    Object.assign(this, { ask, came, failed });
  }

  /** Ask, unless the same was asked last; `name` says what is the same. */
  want(name, question) {
    if (name === this.asked) return;
    this.asked = name;
    this.#next = question;
    this.#run();
  }

  /** Ask the same again when it is wanted again. */
  forget() {
    this.asked = null;
  }

  async #run() {
    if (this.#isBusy || this.#next === null) return;
    const question = this.#next;
    this.#next = null;
    this.#isBusy = true;
    try {
      this.came(await this.ask(question), question);
    } catch (error) {
      this.failed(error);
    }
    this.#isBusy = false;
    this.#run();
  }
}
