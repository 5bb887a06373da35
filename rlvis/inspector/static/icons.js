/** Small drawings, 16 by 16, in the colour of the text beside them. */

const SHAPES = {
  first: "M3 3h2v10H3zM13 3v10L6 8z",
  last: "M11 3h2v10h-2zM3 3v10l7-5z",
  back: "M11 3v10L4 8z",
  on: "M5 3v10l7-5z",
  play: "M4 2v12l10-6z",
  pause: "M4 2h3v12H4zM9 2h3v12H9z",
  star: "M8 1.5l2 4.3 4.6.6-3.4 3.2.9 4.7L8 12l-4.1 2.3.9-4.7L1.4 6.4 6 5.8z",
  drop: "M2 4h12L8 13z",
  flip: "M1 5l4-3.5V4h9v2H5v2.5zM15 11l-4 3.5V12H2v-2h9V7.5z",
  indecision: "M7 1.5h2v3h4l2 2.5-2 2.5H9v5H7v-5H3L1 7l2-2.5h4z",
  surprise: "M6.5 1.5h3L9 10H7zM6.7 11.5h2.6V14H6.7z",
  stuck: "M3 3h10v10H3z",
  importance: "M8 1l7 7-7 7-7-7z",
};
const SPACE = "http://www.w3.org/2000/svg";

/** The drawing of a name; an outline alone where it stands for something that is not so. */
export function icon(name, isOutline = false) {
  const picture = document.createElementNS(SPACE, "svg");
  const path = document.createElementNS(SPACE, "path");
  picture.setAttribute("viewBox", "0 0 16 16");
  picture.setAttribute("class", isOutline ? "icon-shape outline" : "icon-shape");
  picture.setAttribute("aria-hidden", "true");
  path.setAttribute("d", SHAPES[name] ?? "M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6z");
  picture.append(path);
  return picture;
}
