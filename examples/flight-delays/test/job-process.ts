import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));

/** The fewest flights that the job takes. */
export const fewest = ["--rows", "20000"] as const;

export interface Ended {
  /** Exit status; null where a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** A run of the job in a process group of its own, as a terminal would start it. */
export interface JobProcess extends AsyncDisposable {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  output(): string;
  /** Resolves when the output matches; rejects when the job ends before it does. */
  seen(pattern: RegExp): Promise<RegExpExecArray>;
  /** What Ctrl-C does: the signal goes to the job and its children alike. */
  interrupt(): void;
  kill(signal: NodeJS.Signals): void;
}

export interface StartOptions {
  readonly uid?: number | undefined;
}

export function startJob(args: readonly string[], { uid }: StartOptions = {}): JobProcess {
  const child = spawn(process.execPath, [program, ...args], {
    detached: process.platform !== "win32",
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const pid = child.pid ?? 0;
  let output = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      for (const look of waiting) look();
    });
  }
  const ended = endOf(child, () => output);
  return {
    pid,
    ended,
    output: () => output,
    seen(pattern) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (match === null) return;
          waiting.delete(look);
          resolve(match);
        };
        waiting.add(look);
        look();
        void ended.then(() => reject(new Error(`The job ended before it said ${pattern}:\n${output}`)));
      });
    },
    interrupt: () => process.kill(-pid, "SIGINT"),
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

const endOf = (child: ChildProcess, output: () => string): Promise<Ended> =>
  new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve({ status, signal, output: output() }));
  });

export const runJob = (args: readonly string[], options?: StartOptions): Promise<Ended> =>
  startJob(args, options).ended;

/** A folder that goes away with the test. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "flight-delays-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Makes a folder look as if the job had stopped before these stages were remembered. */
export async function forget(folder: string, ...stages: readonly string[]): Promise<void> {
  const path = join(folder, "stages.json");
  const kept = JSON.parse(await readFile(path, "utf8")) as { results: Record<string, unknown> };
  for (const stage of stages) delete kept.results[stage];
  await writeFile(path, JSON.stringify(kept));
}

/** Ids of all processes below one, by Linux's /proc. */
export async function descendantsOf(pid: number): Promise<readonly number[]> {
  const children = new Map<number, number[]>();
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    // The program's name, in brackets, may hold spaces; the parent is the second field after it.
    const stat = await readFile(`/proc/${entry}/stat`, "utf8").catch(() => "");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found: number[] = [];
  for (let queue = [pid]; queue.length > 0;) {
    queue = queue.flatMap((each) => children.get(each) ?? []);
    found.push(...queue);
  }
  return found;
}

/** A process that is still there; one that ended and was not waited for yet does not count. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat !== undefined && stat.slice(stat.lastIndexOf(")") + 2)[0] !== "Z";
}
