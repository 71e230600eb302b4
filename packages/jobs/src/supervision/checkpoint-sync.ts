import { constants, copyFile, mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathsBelow } from "../job-files.ts";

/** Where the checkpoints of a training job outlive its machine: SageMaker's `CheckpointConfig`. */
export interface CheckpointSyncOptions {
  /** A folder on a disk that does, such as a mounted one. */
  readonly directory: string;
  /** Time between two copies of what has changed; an interruption and the end of the job copy besides. Default: 10,000. */
  readonly everyMs?: number | undefined;
}

/** What was copied. */
export interface CheckpointSyncReport {
  readonly files: number;
  readonly sizeBytes: number;
  /** Why the last copying did not come to its end; absent where it did. */
  readonly failure?: string | undefined;
}

export interface CheckpointSync {
  /** Copies what has changed since, once no copying goes on. Never rejects. */
  now(): Promise<void>;
  /** Copies for the last time. */
  end(): Promise<CheckpointSyncReport>;
}

const draftEnding = ".sync-draft";

/** Brings the checkpoints back where the local folder holds none. */
export async function restoreCheckpoints(local: string, kept: string): Promise<void> {
  if ((await pathsBelow(local)).length > 0) return;
  for (const path of await pathsBelow(kept)) {
    if (path.endsWith(draftEnding)) continue;
    await replaceBy(join(local, path.slice(kept.length + 1)), path);
  }
}

/** Copies under another name first: a copy that is cut short is nobody's checkpoint. */
async function replaceBy(target: string, source: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const draft = `${target}${draftEnding}`;
  await copyFile(source, draft, constants.COPYFILE_FICLONE);
  await rename(draft, target);
}

/** Copies the files of the local folder as they change, oldest first, so that one that names another comes after it. */
export function startCheckpointSync(
  local: string,
  { directory, everyMs = 10_000 }: CheckpointSyncOptions,
): CheckpointSync {
  const copied = new Map<string, string>();
  let turn: Promise<void> = Promise.resolve();
  let report: { files: number; sizeBytes: number; failure?: string } = { files: 0, sizeBytes: 0 };
  const copyAll = async (): Promise<void> => {
    const paths = await pathsBelow(local);
    const found = await Promise.all(
      paths.map(async (path) => ({ path, stats: await stat(path).catch(() => undefined) })),
    );
    const present = found.flatMap(({ path, stats }) => (stats === undefined ? [] : [{ path, stats }]));
    for (const { path, stats } of present.toSorted((a, b) => a.stats.mtimeMs - b.stats.mtimeMs)) {
      const name = path.slice(local.length + 1);
      const version = `${stats.size} ${stats.mtimeMs} ${stats.ino}`;
      if (copied.get(name) === version) continue;
      try {
        await replaceBy(join(directory, name), path);
      } catch (error) {
        // Whoever writes checkpoints may have taken it away meanwhile.
        if ((await stat(path).catch(() => undefined)) === undefined) continue;
        throw error;
      }
      copied.set(name, version);
      report = { files: report.files + 1, sizeBytes: report.sizeBytes + stats.size };
    }
    const names = new Set(present.map(({ path }) => path.slice(local.length + 1)));
    for (const name of copied.keys()) {
      if (names.has(name)) continue;
      await rm(join(directory, name), { force: true });
      copied.delete(name);
    }
  };
  const now = (): Promise<void> => {
    turn = turn.then(copyAll).then(
      () => void delete report.failure,
      (error: unknown) => void (report.failure = error instanceof Error ? error.message : String(error)),
    );
    return turn;
  };
  const timer = setInterval(() => void now(), everyMs).unref();
  return {
    now,
    async end() {
      clearInterval(timer);
      await now();
      // What was there before and is no longer: checkpoints of an earlier machine that this one has replaced.
      if (report.failure === undefined && copied.size > 0) await dropOthers(directory, new Set(copied.keys()));
      return report;
    },
  };
}

async function dropOthers(directory: string, names: ReadonlySet<string>): Promise<void> {
  for (const path of await pathsBelow(directory))
    if (!names.has(path.slice(directory.length + 1))) await rm(path, { force: true }).catch(() => {});
}
