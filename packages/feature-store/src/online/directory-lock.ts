import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { logLocked, writeFailure } from "../errors.ts";

const held = new Set<string>();

/**
 * Claims a directory for this process. A claim whose process is gone is taken over.
 * @returns what gives it back. Throws `FEATURE_STORE_LOG_LOCKED`, `FEATURE_STORE_WRITE_FAILED`.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, "lock");
  for (let attempt = 0; ; attempt++) {
    try {
      await writeClaim(path);
      held.add(path);
      return async () => {
        held.delete(path);
        await rm(path, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw writeFailure(path, error);
    }
    const holder = Number(await readFile(path, "utf8").catch(() => "0"));
    const isOurs = holder === process.pid && held.has(path);
    if (isOurs || (holder !== process.pid && isAlive(holder)) || attempt === 3) throw logLocked(directory, holder);
    // Its process ended without giving it back, or had this process's number in an earlier life of the machine.
    await rm(path, { force: true });
  }
}

async function writeClaim(path: string): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await handle.writeFile(String(process.pid));
  } catch (error) {
    await rm(path, { force: true }).catch(() => {});
    throw error;
  } finally {
    await handle.close();
  }
}

/** Whether a process has this number on this machine. */
export function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
