export async function liveView() { throw new Error("not yet"); }
