import { createManualClock, type ManualClock } from "@millwright/contracts";

/** A clock that tells how many wait for it: where nobody does, the job is with the disk, which has a time of its own. */
export interface WatchedClock extends ManualClock {
  sleepers: number;
}

export function watchedClock(startMs = 0): WatchedClock {
  const inner = createManualClock(startMs);
  const clock: WatchedClock = {
    ...inner,
    sleepers: 0,
    async sleep(durationMs, options) {
      clock.sleepers += 1;
      try {
        await inner.sleep(durationMs, options);
      } finally {
        clock.sleepers -= 1;
      }
    },
  };
  return clock;
}
