/** How futures are played: by the likeliest action, or several by chance. */

import { select } from "./dom.js";

const WAYS = {
  "by the likeliest action": { deterministic: true },
  "8 times by chance": { deterministic: false, futures: 8 },
  "32 times by chance": { deterministic: false, futures: 32 },
};

/** A list of ways; `chance()` is what the server is told. */
export function chanceChoice() {
  const names = Object.keys(WAYS);
  const box = select("how futures are played", names, names[0], () => {});
  return { box, chance: () => WAYS[box.value] };
}
