import { open } from "node:fs/promises";
import { fromIpcStream } from "../../../packages/data/dist/index.js";

/** The rows of an Arrow IPC stream: one record batch in memory at a time, which the next takes the place of. */
export async function* batchesOf(path) {
  const file = await open(path);
  try {
    yield* fromIpcStream(file, { reuseMemory: true });
  } finally {
    await file.close();
  }
}
