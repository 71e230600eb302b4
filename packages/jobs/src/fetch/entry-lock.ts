import { link, readFile, rm, writeFile } from "node:fs/promises";
import { type CallOptions, type Clock } from "@millwright/contracts";
import { identify, isAlive, type ProcessIdentity } from "../process-tree.ts";

/** Locks of this process, and what each is told apart by. */
const held = new Set<string>();
let drafts = 0;

async function ownerOf(path: string): Promise<ProcessIdentity | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

const isHeld = async (path: string): Promise<boolean> => {
  if (held.has(path)) return true;
  const owner = await ownerOf(path);
  return owner !== undefined && owner.pid !== process.pid && isAlive(owner);
};

/** Makes the lock's file, whole or not at all. @returns whether it was not there before. */
async function make(path: string): Promise<boolean> {
  const draft = `${path}.${process.pid}.${(drafts += 1)}`;
  await writeFile(draft, JSON.stringify(identify(process.pid)));
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes a lock whose process is dead, one process at a time: else one would remove what another has just made. */
async function clear(path: string): Promise<void> {
  const broom = `${path}.clearing`;
  if (!(await make(broom))) {
    if (!(await isHeld(broom))) await rm(broom, { force: true });
    return;
  }
  try {
    held.add(broom);
    if (!(await isHeld(path))) await rm(path, { force: true });
  } finally {
    held.delete(broom);
    await rm(broom, { force: true });
  }
}

/**
 * Takes a lock that processes share, if nobody has it. One whose process is dead is nobody's.
 * @returns gives it back; undefined where another has it.
 */
export async function tryLock(path: string): Promise<(() => Promise<void>) | undefined> {
  if (held.has(path)) return undefined;
  held.add(path);
  try {
    for (let tries = 0; tries < 3; tries += 1) {
      if (await make(path)) {
        return async () => {
          await rm(path, { force: true });
          held.delete(path);
        };
      }
      held.delete(path);
      if (await isHeld(path)) return undefined;
      await clear(path);
      if (held.has(path)) return undefined;
      held.add(path);
    }
    held.delete(path);
    return undefined;
  } catch (error) {
    held.delete(path);
    throw error;
  }
}

/** As `tryLock`, waiting for whoever has it. */
export async function takeLock(path: string, clock: Clock, { signal }: CallOptions): Promise<() => Promise<void>> {
  for (let waitMs = 10; ; waitMs = Math.min(250, waitMs * 2)) {
    const give = await tryLock(path);
    if (give !== undefined) return give;
    await clock.sleep(waitMs, { signal });
  }
}
