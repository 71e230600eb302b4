import { readFile, rename, rm, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Terminal, seconds } from "./terminal.ts";

/** Runs the stages of the job one after another, and remembers what each gave, so that a run that was interrupted goes on after its last whole stage. */
export interface Stages {
  /** Runs `work`, or gives what it gave before the interruption. Results are JSON. */
  run<Result>(name: string, title: string, work: () => Promise<Result>): Promise<Result>;
  /** What each stage took, in order; of a stage of an earlier run what it took then. */
  timings(): readonly StageTiming[];
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

/**
 * Opens the working folder. If the run there was of another job (`key`), or it ended, the folder is emptied first.
 * @param key What the results depend on: options and versions.
 * @param options `keepFinished`: a run that ended is gone on with too, to serve what it made.
 */
export async function openStages(
  directory: string,
  key: string,
  terminal: Terminal,
  { keepFinished }: { readonly keepFinished: boolean },
): Promise<Stages> {
  const path = join(directory, "stages.json");
  let kept = await readKept(path);
  if (kept === undefined || kept.key !== key || ("end" in kept.results && !keepFinished)) {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    kept = { key, results: {} };
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
      await writeFile(`${path}.partial`, JSON.stringify({ key, results }));
      await rename(`${path}.partial`, path);
      terminal.line(`   took ${seconds(durationMs)}`);
      return result;
    },
    timings: () => Object.entries(results).map(([name, { title, durationMs }]) => ({ name, title, durationMs })),
  };
}

async function readKept(path: string): Promise<Kept | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Kept;
  } catch {
    // Absent, or torn by whatever stopped the run that wrote it: begin anew.
    return undefined;
  }
}
