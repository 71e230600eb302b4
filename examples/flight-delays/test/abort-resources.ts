import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What this process holds of the system, each kind with how many. */
export type Held = Readonly<Record<string, number>>;

const hasProc = process.platform === "linux";

function fileDescriptors(): readonly string[] {
  if (!hasProc) return [];
  return readdirSync("/proc/self/fd").flatMap((name) => {
    try {
      // Sockets and pipes, and the files of the online store, have a number of their own each: what kind they are is enough.
      return [`file ${readlinkSync(`/proc/self/fd/${name}`).replace(/:\[\d+\]$|\.\d+(?=\.log$)/, "")}`];
    } catch {
      return []; // the one that listed the others
    }
  });
}

function children(): readonly string[] {
  if (!hasProc) return [];
  return readdirSync("/proc")
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === process.pid;
      } catch {
        return false;
      }
    })
    .map(() => "child process");
}

/** Open files, child processes and active handles of this process. */
export function heldResources(): Held {
  const held: Record<string, number> = {};
  const handles = process.getActiveResourcesInfo().map((kind) => `handle ${kind}`);
  for (const each of [...fileDescriptors(), ...children(), ...handles]) held[each] = (held[each] ?? 0) + 1;
  return held;
}

/** The most of each kind in several looks: what watches and polls for as long as it is open has a timer at one moment and none at another. */
export function mostOf(looks: readonly Held[]): Held {
  const most: Record<string, number> = {};
  for (const [name, number] of looks.flatMap((held) => Object.entries(held))) {
    most[name] = Math.max(most[name] ?? 0, number);
  }
  return most;
}

/** What is held beyond the baseline. */
export function beyond(baseline: Held, held: Held): Held {
  const more = Object.entries(held).map(([name, number]) => [name, number - (baseline[name] ?? 0)] as const);
  return Object.fromEntries(more.filter(([, number]) => number > 0));
}
