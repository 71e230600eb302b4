import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@millwright/contracts";

/** When services were last read online. */
export interface ReadTimes {
  /** Notes a read: written down at most once a minute, in the background; what cannot be written is let go. */
  note(service: string): void;
  /** UTC milliseconds by id of the service. */
  all(): Promise<ReadonlyMap<string, number>>;
  /** Writes down what is noted. */
  flush(): Promise<void>;
}

const FOLDER = join("_catalog", "reads");
const EVERY_MS = 60_000;

/** One small file a service; of several processes the last writer's word counts. */
export function openReadTimes(root: string, clock: Clock): ReadTimes {
  const directory = join(root, FOLDER);
  const noted = new Map<string, number>();
  const written = new Map<string, number>();
  let writing: Promise<void> = Promise.resolve();
  const write = async (service: string, timeMs: number): Promise<void> => {
    const path = join(directory, `${service}.json`);
    await mkdir(directory, { recursive: true });
    await writeFile(`${path}.${process.pid}.tmp`, JSON.stringify({ formatVersion: 1, timeMs }));
    await rename(`${path}.${process.pid}.tmp`, path);
  };
  const writeLater = (service: string, timeMs: number): void => {
    written.set(service, timeMs);
    writing = writing.then(() => write(service, timeMs)).catch(() => {});
  };
  return {
    note(service) {
      const timeMs = clock.nowMs();
      noted.set(service, timeMs);
      if (timeMs - (written.get(service) ?? Number.NEGATIVE_INFINITY) >= EVERY_MS) writeLater(service, timeMs);
    },
    async all() {
      const times = new Map(noted);
      for (const name of await readdir(directory).catch(() => [])) {
        if (!name.endsWith(".json")) continue;
        const service = name.slice(0, -".json".length);
        const timeMs = await readTime(join(directory, name));
        if (timeMs > (times.get(service) ?? Number.NEGATIVE_INFINITY)) times.set(service, timeMs);
      }
      return times;
    },
    async flush() {
      for (const [service, timeMs] of noted) if (written.get(service) !== timeMs) writeLater(service, timeMs);
      await writing;
    },
  };
}

/** A file that cannot be read says nothing: it holds no more than a time that comes again with the next read. */
async function readTime(path: string): Promise<number> {
  try {
    return Number((JSON.parse(await readFile(path, "utf8")) as { timeMs?: unknown }).timeMs);
  } catch {
    return Number.NaN;
  }
}
