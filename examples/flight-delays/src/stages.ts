import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { folderForeign } from "./errors.ts";
import { type Terminal, seconds } from "./terminal.ts";

/** Runs the stages of the job one after another, and remembers what each gave, so that a run that was interrupted goes on after its last whole stage. */
export interface Stages {
  /** Runs `work`, or gives what it gave before the interruption. Results are JSON. */
  run<Result>(name: string, title: string, work: () => Promise<Result>): Promise<Result>;
  /** What each stage took, in order; of a stage of an earlier run what it took then. */
  timings(): readonly StageTiming[];
  /** Lets the next start begin anew: what the folder holds is damaged. */
  discard(): Promise<void>;
}

export interface StageTiming {
  readonly name: string;
  readonly title: string;
  readonly durationMs: number;
}

interface Kept {
  readonly key: string;
  readonly results: Record<string, { readonly title: string; readonly durationMs: number; readonly result: unknown }>;
}

const record = "stages.json";

/** Makes the working folder. Throws `FLIGHT_DELAYS_FOLDER_FOREIGN` where it holds what no run of the job made: a new run empties it. */
export async function openFolder(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const entries = (await readdir(directory)).filter((entry) => entry !== `${record}.partial`);
  const [first] = entries;
  if (first !== undefined && !entries.includes(record)) throw folderForeign(directory, first);
  // Marks the folder as the job's own before anything else is in it.
  if (first === undefined) await keep(directory, { key: "", results: {} });
}

/**
 * Opens the record of the working folder. If the run there was of another job (`key`), or it ended, the folder is emptied first.
 * @param key What the results depend on: options and versions.
 * @param options `keepFinished`: a run that ended is gone on with too, to serve what it made. `spare`: a folder in it of which only the files are left, such as the lock.
 */
export async function openStages(
  directory: string,
  key: string,
  terminal: Terminal,
  { keepFinished, spare }: { readonly keepFinished: boolean; readonly spare: string },
): Promise<Stages> {
  let kept = await readKept(directory);
  if (kept === undefined) terminal.line(`${join(directory, record)} is damaged: the run begins anew`);
  if (kept === undefined || kept.key !== key || ("end" in kept.results && !keepFinished)) {
    // The record goes last and comes back first, so that a folder that is half emptied is still known as the job's.
    await keep(directory, { key: "", results: {} });
    await empty(directory, spare);
    kept = { key, results: {} };
    await keep(directory, kept);
  }
  const { results } = kept;
  if (Object.keys(results).length > 0) terminal.line(`Going on with the run in ${directory}`);
  let step = 0;
  return {
    async run<Result>(name: string, title: string, work: () => Promise<Result>) {
      step += 1;
      const before = results[name];
      if (before !== undefined) {
        terminal.line(`${step}. ${title}: done before, in ${seconds(before.durationMs)}`);
        return before.result as Result;
      }
      terminal.line(`${step}. ${title}`);
      const startMs = performance.now();
      const result = await work();
      const durationMs = performance.now() - startMs;
      results[name] = { title, durationMs, result };
      await keep(directory, { key, results });
      terminal.line(`   took ${seconds(durationMs)}`);
      return result;
    },
    timings: () => Object.entries(results).map(([name, { title, durationMs }]) => ({ name, title, durationMs })),
    discard: () => keep(directory, { key: "", results: {} }),
  };
}

async function keep(directory: string, kept: Kept): Promise<void> {
  const path = join(directory, record);
  await writeFile(`${path}.partial`, JSON.stringify(kept));
  await rename(`${path}.partial`, path);
}

async function empty(directory: string, spare: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    if (entry !== record && entry !== spare) await rm(join(directory, entry), { recursive: true, force: true });
  }
  for (const entry of await readdir(join(directory, spare), { withFileTypes: true })) {
    if (entry.isDirectory()) await rm(join(directory, spare, entry.name), { recursive: true, force: true });
  }
}

/** @returns undefined where the record is damaged. */
async function readKept(directory: string): Promise<Kept | undefined> {
  const text = await readFile(join(directory, record), "utf8");
  try {
    const kept = JSON.parse(text) as Partial<Kept> | null;
    return typeof kept?.key === "string" && typeof kept.results === "object" && kept.results !== null
      ? (kept as Kept)
      : undefined;
  } catch {
    return undefined;
  }
}
