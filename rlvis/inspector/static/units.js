import { el, panel } from "rlvis/dom";
export function unitsPanel() { const section = panel("units", "Layers & units", null, el("p", { className: "state" }, "…")); return { section, update() {} }; }
