import { el, panel } from "rlvis/dom";
export function whatIfPanel() { const section = panel("whatif", "What if", null, el("p", { className: "state" }, "…")); return { section, update() {} }; }
