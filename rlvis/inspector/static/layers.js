/** The layers of a network whose units have an image each. */

/** Their names, in the order of the network. */
export const imageLayers = ({ layers }) =>
  layers.filter(({ shape }) => shape.length === 4 && shape[2] * shape[3] > 1).map(({ name }) => name);

/** Whether there is one. */
export const hasImages = (info) => imageLayers(info).length > 0;
