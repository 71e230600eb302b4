import type { Clock } from "@millwright/contracts";
import type { LoadTarget } from "../src/load.ts";

export interface SimulatedServer {
  readonly target: LoadTarget;
  /** The server does nothing from now on for so long. */
  stall(ms: number): void;
}

/** Workers with one queue, each busy for `serviceMs(n)` with the `n` requests it took, at most `batch` of them. Time is the clock's. */
export function simulatedServer(
  clock: Clock,
  { workers = 1, batch = 1, serviceMs }: { workers?: number; batch?: number; serviceMs: (rows: number) => number },
): SimulatedServer {
  const queue: (() => void)[] = [];
  let idle = workers;
  let stalledUntilMs = 0;
  const work = async (): Promise<void> => {
    idle -= 1;
    while (queue.length > 0) {
      const stalledMs = stalledUntilMs - clock.monotonicMs();
      if (stalledMs > 0) await clock.sleep(stalledMs);
      const taken = queue.splice(0, batch);
      await clock.sleep(serviceMs(taken.length));
      for (const answer of taken) answer();
    }
    idle += 1;
  };
  return {
    target: () =>
      new Promise((resolve) => {
        queue.push(() => resolve({}));
        if (idle > 0) void work();
      }),
    stall: (ms) => {
      stalledUntilMs = clock.monotonicMs() + ms;
    },
  };
}
