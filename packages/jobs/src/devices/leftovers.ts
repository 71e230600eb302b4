import { kill } from "node:process";
import type { Clock, Lease } from "@millwright/contracts";
import { environmentOf, everyProcess, isAlive, isStopped, type ProcessIdentity } from "../process-tree.ts";
import { holderVariable, leasesVariable } from "./grant.ts";

/** How long killed processes may take to go: a driver may have to finish what they began. */
const longestEndMs = 5_000;

/**
 * Sees to it that nothing of the earlier holders of these leases is left on this machine. Processes whose launcher is dead, or stands still, are killed;
 * a launcher that lives ends them by itself, and is given the time.
 * @returns whether nothing is left. Where there is no /proc, and of processes of other users and containers, nothing is seen.
 */
export async function clearEarlierHolders(leases: readonly Lease[], clock: Clock): Promise<boolean> {
  // Nobody held a lease before its first fence.
  if (process.platform !== "linux" || leases.every(({ fence }) => fence === 1)) return true;
  const fences = new Map(leases.map(({ name, fence }) => [name, fence]));
  const untilMs = clock.monotonicMs() + longestEndMs;
  for (;;) {
    const left = earlierHolders(fences);
    if (left.length === 0) return true;
    if (left.some(({ holder }) => isAlive(holder) && !isStopped(holder)) || clock.monotonicMs() > untilMs) return false;
    for (const { identity } of left) if (isAlive(identity)) killOne(identity.pid);
    await clock.sleep(20);
  }
}

interface Leftover {
  readonly identity: ProcessIdentity;
  readonly holder: ProcessIdentity;
}

/** Living processes that were started under one of the leases, with a smaller fence. */
function earlierHolders(fences: ReadonlyMap<string, number>): readonly Leftover[] {
  return everyProcess().flatMap(({ pid, startTicks }): readonly Leftover[] => {
    const environment = environmentOf(pid, [leasesVariable, holderVariable]);
    const told = environment?.[leasesVariable];
    if (told === undefined) return [];
    const held = heldIn(told);
    if (!Object.entries(held).some(([name, fence]) => fence < (fences.get(name) ?? 0))) return [];
    const [holderPid, holderTicks] = (environment?.[holderVariable] ?? "0:").split(":");
    const ticks = holderTicks === "" ? undefined : Number(holderTicks);
    return [{ identity: { pid, startTicks }, holder: { pid: Number(holderPid), startTicks: ticks } }];
  });
}

function heldIn(text: string): Readonly<Record<string, number>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, number>>;
  } catch {
    return {};
  }
}

function killOne(pid: number): void {
  try {
    kill(pid, "SIGKILL");
  } catch {
    // It ended before the signal came, or is another user's.
  }
}
