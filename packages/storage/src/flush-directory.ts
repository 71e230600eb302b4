import { open } from "node:fs/promises";

/** Makes a rename or a deletion survive a power failure. Windows has no such call for directories. */
export async function flushDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
