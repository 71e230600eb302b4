import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { directoryInUse } from "./errors.ts";
import { identify, isAlive, type ProcessIdentity } from "./process-tree.ts";

const held = new Set<string>();

/**
 * Takes the directory for this process; a lock whose process is dead is taken over. Throws `JOBS_DIRECTORY_IN_USE`.
 * @returns gives it back.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, "owner.json");
  if (held.has(path)) throw directoryInUse(directory, process.pid);
  held.add(path);
  const draft = `${path}.${process.pid}`;
  try {
    const file = await open(draft, "w");
    await file.writeFile(JSON.stringify(identify(process.pid)));
    await file.close();
    for (;;) {
      try {
        // A hard link appears whole or not at all, and never over one that is there.
        await link(draft, path);
        break;
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
        const owner = await ownerOf(path);
        if (owner !== undefined && owner.pid !== process.pid && isAlive(owner))
          throw directoryInUse(directory, owner.pid);
        await rm(path, { force: true });
      }
    }
  } catch (error) {
    held.delete(path);
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return async () => {
    await rm(path, { force: true });
    held.delete(path);
  };
}

async function ownerOf(path: string): Promise<ProcessIdentity | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
