/** Steps to come back to, each with a note: kept by the browser for each recording. */

export class Bookmarks {
  #name;

  /** `given` are those of an exported file; `changed()` is called when there are others. */
  constructor(fingerprint, given, changed) {
    this.#name = `rlvis bookmarks ${fingerprint}`;
    this.changed = changed;
    this.list = given;
    try {
      this.list = JSON.parse(localStorage.getItem(this.#name)) ?? given;
    } catch {
      this.list = given;
    }
  }

  find(episode, step) {
    return this.list.find((each) => each.episode === episode && each.step === step);
  }

  /** Bookmark a step, or forget it. */
  toggle(episode, step) {
    const found = this.find(episode, step);
    this.#keep(
      found
        ? this.list.filter((each) => each !== found)
        : [...this.list, { episode, step, note: "" }],
    );
  }

  /** Write a note to a bookmark. */
  write(episode, step, note) {
    this.#keep(
      this.list.map((each) =>
        each.episode === episode && each.step === step ? { ...each, note } : each,
      ),
    );
  }

  #keep(list) {
    this.list = [...list].sort((a, b) => a.episode - b.episode || a.step - b.step);
    try {
      localStorage.setItem(this.#name, JSON.stringify(this.list));
    } catch {
      // a browser that keeps nothing: the bookmarks last as long as the page
    }
    this.changed();
  }
}
