export async function photoView() { throw new Error("not yet"); }
