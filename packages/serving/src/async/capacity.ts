import type { Clock, Logger } from "@millwright/contracts";
import type { AsyncCapacity, AsyncTarget } from "./async-options.ts";

/** The target of an endpoint in this process: there always, or while there is something to do. */
export interface Capacity {
  /** Whether it can answer now. */
  readonly open: boolean;
  /** Opens it where it is closed. Throws what its opening throws. */
  use<Result>(work: (target: AsyncTarget) => Promise<Result>): Promise<Result>;
  /** Closes what has been idle for long enough. */
  tend(): Promise<void>;
  close(): Promise<void>;
}

type Opened = Awaited<ReturnType<AsyncCapacity["open"]>>;

export function createCapacity(
  given: AsyncTarget | AsyncCapacity,
  { clock, logger, signal }: { readonly clock: Clock; readonly logger: Logger; readonly signal: AbortSignal },
): Capacity {
  if (typeof given === "function")
    return { open: true, use: (work) => work(given), tend: async () => {}, close: async () => {} };
  const { idleMs = 60_000 } = given;
  let opening: Promise<Opened> | undefined;
  let opened = false;
  let users = 0;
  let idleSinceMs = 0;
  const close = async (): Promise<void> => {
    const before = opening;
    opening = undefined;
    opened = false;
    try {
      await (await before)?.[Symbol.asyncDispose]();
    } catch (error) {
      logger.warn({ error }, "the target of an async endpoint could not be closed");
    }
  };
  return {
    get open() {
      return opened;
    },
    async use(work) {
      users += 1;
      try {
        const mine = (opening ??= given.open({ signal }));
        let target: AsyncTarget;
        try {
          ({ target } = await mine);
          opened = true;
        } catch (error) {
          if (opening === mine) opening = undefined;
          throw error;
        }
        return await work(target);
      } finally {
        users -= 1;
        idleSinceMs = clock.monotonicMs();
      }
    },
    async tend() {
      if (opened && users === 0 && clock.monotonicMs() - idleSinceMs >= idleMs) await close();
    },
    close,
  };
}
