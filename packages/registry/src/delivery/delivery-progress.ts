import type { DeliveryOutcome, DeliveryStep } from "./webhook-records.ts";

/** Keeps how far a receiver has come while the next event is sent already. */
export interface DeliveryProgress {
  /** @returns false where nothing more is to be sent: it was rewound, or is gone. Throws what keeping threw. */
  take(cursor: number, outcome: DeliveryOutcome): Promise<boolean>;
  /** Resolves when everything that was taken is kept. */
  settle(): Promise<void>;
}

/**
 * One write at a time: what is delivered meanwhile is kept by the next, together. A crash forgets what was delivered during a write or two; that is sent again, as after any crash.
 * What could not be delivered is kept before the next is sent.
 */
export function createProgress(keep: (step: DeliveryStep) => Promise<boolean>): DeliveryProgress {
  let waiting: DeliveryStep | undefined;
  let writing: Promise<void> | undefined;
  let isTurned = false;
  let failure: { readonly error: unknown } | undefined;
  const write = async (): Promise<void> => {
    while (waiting !== undefined && !isTurned && failure === undefined) {
      const step = waiting;
      waiting = undefined;
      try {
        isTurned = !(await keep(step));
      } catch (error) {
        failure = { error };
      }
    }
    writing = undefined;
  };
  const settle = async (): Promise<void> => {
    await writing;
    if (failure !== undefined) throw failure.error;
  };
  return {
    settle,
    async take(cursor, outcome) {
      const isWell = outcome === "delivered" || outcome === "skipped";
      if (!isWell) await settle();
      const delivered = (waiting?.delivered ?? 0) + (outcome === "delivered" ? 1 : 0);
      waiting = { cursor, outcome, delivered };
      writing ??= write();
      if (!isWell || failure !== undefined) await settle();
      return !isTurned && outcome !== "gone";
    },
  };
}
