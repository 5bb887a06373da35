/** The methods that a network can be asked by, and what an audit says of their maps. */

import { el } from "./dom.js";

/** Their names. */
export const methodsOf = (info) =>
  info.methods.filter((each) => each.possible !== false).map((each) => each.name);

/** Whether an audit says that a method's maps can be believed; empty where it says nothing. */
export function verdictOn(info, method) {
  const found = info.methods.find((each) => each.name === method);
  if (!found?.verdict) return "";
  const title = `believe? ${found.verdict}: ${found.reason}`;
  const asked = el("span", { className: "asked" }, "believe? ");
  return el("span", { className: `verdict ${found.verdict}`, title }, asked, found.verdict);
}
