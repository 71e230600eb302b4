import { readdirSync, readFileSync } from "node:fs";

/** A process beyond doubt: process ids are used again, start times with them are not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in clock ticks since the machine started; absent where there is no /proc. */
  readonly startTicks?: number | undefined;
}

interface ProcessStat extends ProcessIdentity {
  readonly state: string;
  readonly parent: number;
  readonly session: number;
}

/** Parses /proc/<pid>/stat (proc(5)); the name in parentheses may itself hold spaces and parentheses. */
export function parseStat(text: string): ProcessStat | undefined {
  const close = text.lastIndexOf(")");
  if (close === -1) return undefined;
  const fields = text.slice(close + 2).split(" ");
  return {
    pid: Number.parseInt(text, 10),
    state: fields[0] ?? "?",
    parent: Number(fields[1]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

function statOf(pid: number | string): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined;
  }
}

/** Empty where there is no /proc. */
export function everyProcess(): readonly ProcessStat[] {
  try {
    return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (statOf(name) ?? []) : []));
  } catch {
    return [];
  }
}

/** Whether that very process stands still: by SIGSTOP, a terminal, or a debugger. */
export function isStopped({ pid, startTicks }: ProcessIdentity): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.startTicks === startTicks && (stat.state === "T" || stat.state === "t");
}

/** The named variables of the environment that a process was started with; undefined where it may not be read. */
export function environmentOf(
  pid: number,
  names: readonly string[],
): Readonly<Record<string, string | undefined>> | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return undefined;
  }
  if (!text.includes(names[0] as string)) return undefined;
  const variables = text.split("\0");
  return Object.fromEntries(
    names.map((name) => [name, variables.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1)]),
  );
}

const isDead = (stat: ProcessStat): boolean => stat.state === "Z" || stat.state === "X";

export function identify(pid: number): ProcessIdentity {
  const stat = statOf(pid);
  return stat === undefined ? { pid } : { pid, startTicks: stat.startTicks };
}

/** Whether that very process still runs. Where there is no /proc, whether any process has its id. */
export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  const stat = statOf(pid);
  if (stat !== undefined) return !isDead(stat) && (startTicks === undefined || stat.startTicks === startTicks);
  if (process.platform === "linux") return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function carriesMark(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").includes(mark);
  } catch {
    return false;
  }
}

/**
 * The living processes of a job: those of the root's session, their descendants, and those that carry `mark` in the environment they were
 * started with, which finds a grandchild that made a session of its own after its parent died. Empty where there is no /proc.
 */
export function treeOf(root: number | undefined, mark?: string): readonly ProcessIdentity[] {
  const living = everyProcess().filter((stat) => !isDead(stat) && stat.pid !== process.pid);
  const members = new Set<number>();
  for (const stat of living) {
    if (root !== undefined && (stat.pid === root || stat.session === root)) members.add(stat.pid);
    else if (mark !== undefined && carriesMark(stat.pid, mark)) members.add(stat.pid);
  }
  for (let before = -1; before !== members.size;) {
    before = members.size;
    for (const stat of living) if (members.has(stat.parent)) members.add(stat.pid);
  }
  return living.filter((stat) => members.has(stat.pid)).map(({ pid, startTicks }) => ({ pid, startTicks }));
}

/** Resident memory of the tree in bytes; pages that processes share are counted once for each. */
export function residentBytes(tree: readonly ProcessIdentity[]): number {
  let total = 0;
  for (const { pid } of tree) {
    try {
      const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
      if (match !== null) total += Number(match[1]) * 1024;
    } catch {
      // It ended between the two readings.
    }
  }
  return total;
}

const ticksPerSecond = 100;

/** Processor time of each process in seconds: user's and system's. The kernel tells it in hundredths on every architecture. */
export function processorSeconds(tree: readonly ProcessIdentity[]): ReadonlyMap<number, number> {
  const seconds = new Map<number, number>();
  for (const { pid } of tree) {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      seconds.set(pid, (Number(fields[11]) + Number(fields[12])) / ticksPerSecond);
    } catch {
      // It ended between the two readings.
    }
  }
  return seconds;
}

/** Sends the signal to every process of the tree that still runs. Where there is no /proc: to the root's process group, or the root. */
export function signalTree(root: number | undefined, mark: string | undefined, signal: NodeJS.Signals): void {
  if (process.platform === "linux") {
    for (const member of treeOf(root, mark)) if (isAlive(member)) sendSignal(member.pid, signal);
    return;
  }
  if (root !== undefined) sendSignal(process.platform === "win32" ? root : -root, signal);
}

export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended before the signal came.
  }
}
