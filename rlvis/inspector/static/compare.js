import { el, panel } from "rlvis/dom";
export function comparePanel() { const section = panel("compare", "Compare", null, el("p", { className: "state" }, "…")); return { section, update() {} }; }
