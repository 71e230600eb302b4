import { Worker } from "node:worker_threads";
import type { SharedMemory } from "./assembler.ts";
import type { TreeRoutines } from "./tree-assembly.ts";
import { type FillPlan, type FillTeam, fillShare } from "./tree-kernel.ts";
import type { TreeMemory } from "./tree-memory.ts";

/** What a thread is started with. */
export interface TeamData {
  readonly module: object;
  readonly memory: SharedMemory;
  /** Where the control words lie, and behind them the columns of the pass. */
  readonly control: number;
  readonly bins: readonly number[];
  readonly offsets: Int32Array;
}

/** Control words. */
const word = {
  /** Shares that nobody has taken yet. */
  open: 0,
  /** Shares that are not done yet. */
  undone: 1,
  shares: 2,
  from: 3,
  to: 4,
  gradients: 5,
  sums: 6,
  counts: 7,
  columns: 8,
  isOver: 9,
} as const;
const words = 16;
const mostShares = 64;

/** Bytes that a team takes of its memory. */
export const teamBytes = (columns: number): number => (words + columns) * 4 + 64;

/**
 * Threads beside this one. Columns are shared out in fours; whoever is free takes the next share, this thread too, so that it never waits for a
 * thread that has not woken. A column is added up by one thread, in the order of its rows: the bits are those of one thread.
 */
export function startTeam(
  memory: TreeMemory,
  bins: readonly Uint8Array[],
  offsets: Int32Array,
  threads: number,
): (FillTeam & Disposable) | undefined {
  const { shared } = memory;
  if (shared === undefined || threads < 2 || bins.length < 2) return undefined;
  const control = memory.integers(words + offsets.length - 1);
  const addresses = bins.map(({ byteOffset }) => byteOffset);
  const workerData: TeamData = {
    module: shared.module,
    memory: shared.memory,
    control: control.byteOffset,
    bins: addresses,
    offsets,
  };
  const workers = Array.from({ length: Math.min(threads, bins.length) - 1 }, () => {
    const worker = new Worker(new URL("./tree-worker.js", import.meta.url), { workerData });
    // A thread that cannot start leaves the work to the others.
    worker.on("error", () => {});
    worker.unref();
    return worker;
  });
  return {
    leastCells: 32_768,
    fill(plan) {
      post(control, plan, Math.min(bins.length, mostShares));
      while (takeShare(control, shared.routines, plan));
      for (let undone = 1; undone > 0; undone = Atomics.load(control, word.undone))
        Atomics.wait(control, word.undone, undone, 1);
    },
    [Symbol.dispose]() {
      Atomics.store(control, word.isOver, 1);
      Atomics.store(control, word.open, -1);
      Atomics.notify(control, word.open);
      for (const worker of workers) void worker.terminate();
    },
  };
}

function post(control: Int32Array, plan: FillPlan, shares: number): void {
  for (const name of ["from", "to", "gradients", "sums", "counts"] as const) control[word[name]] = plan[name];
  control[word.columns] = plan.columns.length;
  control.set(plan.columns, words);
  control[word.shares] = shares;
  Atomics.store(control, word.undone, shares);
  Atomics.store(control, word.open, shares);
  Atomics.notify(control, word.open);
}

/** Takes a share and does it. @returns false where none is left. */
function takeShare(control: Int32Array, routines: TreeRoutines, given?: FillPlan, team?: TeamData): boolean {
  const open = Atomics.load(control, word.open);
  if (open <= 0) return false;
  // Whoever changes the number has the share; what else the control says stands until that is done.
  if (Atomics.compareExchange(control, word.open, open, open - 1) !== open) return true;
  const plan = given ?? planOf(control, team as TeamData);
  fillShare(routines, plan, open - 1, control[word.shares]!);
  if (Atomics.sub(control, word.undone, 1) === 1) Atomics.notify(control, word.undone);
  return true;
}

const planOf = (control: Int32Array, { bins, offsets }: TeamData): FillPlan => ({
  from: control[word.from]!,
  to: control[word.to]!,
  gradients: control[word.gradients]!,
  sums: control[word.sums]!,
  counts: control[word.counts]!,
  columns: control.subarray(words, words + control[word.columns]!),
  bins,
  offsets,
});

/** What a thread does until the team is over. */
export function workInTeam(team: TeamData, routines: TreeRoutines): void {
  const { memory, control: start, offsets } = team;
  const control = new Int32Array(memory.buffer, start, words + offsets.length - 1);
  while (Atomics.load(control, word.isOver) === 0) {
    if (!takeShare(control, routines, undefined, team)) Atomics.wait(control, word.open, 0);
  }
}
