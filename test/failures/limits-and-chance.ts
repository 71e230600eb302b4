import * as contracts from "../../packages/contracts/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const { createBoundedQueue, createBudget, createManualClock, createRandom } = contracts;

const clock = createManualClock(0);
const ids = contracts.createIdSource(clock, createRandom(1));

export function queuesAndBudgets(): Subjects {
  const signal = new AbortController().signal;
  const closedQueue = (): ReturnType<typeof createBoundedQueue> => {
    const queue = createBoundedQueue(1);
    queue.close();
    return queue;
  };
  const reservation = (): Promise<object> => createBudget({ usd: 10 }).reserve({ usd: 5 });
  return {
    createBoundedQueue: well(createBoundedQueue, () => [2, { maxPutters: 3 }], {
      RangeError: () => createBoundedQueue(0),
    }),
    ...methods("createBoundedQueue()", () => createBoundedQueue(2), {
      put: [() => [1, { signal }], { PORT_CLOSED: () => closedQueue().put(1) }],
      tryPut: [() => [1], { PORT_CLOSED: () => closedQueue().tryPut(1) }],
      close: [() => [undefined]],
    }),
    createBudget: well(createBudget, () => [{ usd: 10 }], { RangeError: () => createBudget({ usd: -1 }) }),
    ...methods("createBudget()", () => createBudget({ usd: 10 }), {
      reserve: [
        () => [{ usd: 1 }, { signal }],
        { PORT_BUDGET_EXHAUSTED: () => createBudget({ usd: 1 }).reserve({ usd: 2 }) },
      ],
      remaining: [],
    }),
    ...methods("createBudget().reserve()", reservation, {
      reserve: [() => [{ usd: 1 }], {}],
      remaining: [],
      commit: [
        () => [{ usd: 1 }],
        {
          PORT_TRANSITION_ILLEGAL: async () => {
            const held = await createBudget({ usd: 1 }).reserve({ usd: 1 });
            await held.release();
            await held.commit({ usd: 1 });
          },
        },
      ],
      release: [
        () => [],
        {
          PORT_TRANSITION_ILLEGAL: async () => {
            const held = await createBudget({ usd: 1 }).reserve({ usd: 1 });
            await held.commit({ usd: 1 });
            await held.release();
          },
        },
      ],
    }),
  };
}

export function clocksAndChance(): Subjects {
  const signal = new AbortController().signal;
  const runningClock = (): contracts.ManualClock => {
    const running = createManualClock(0);
    setTimeout(() => void running.advance(5), 5);
    return running;
  };
  const random = (): ReturnType<typeof createRandom> => createRandom(7);
  return {
    ...methods("systemClock", () => contracts.systemClock, {
      nowMs: [],
      monotonicMs: [],
      sleep: [() => [1, { signal }], {}, 40],
    }),
    createManualClock: well(createManualClock, () => [0]),
    ...methods("createManualClock()", runningClock, {
      nowMs: [],
      monotonicMs: [],
      sleep: [() => [1, { signal }], {}, 20],
      advance: [() => [5]],
    }),
    createIdSource: well(contracts.createIdSource, () => [clock, createRandom(1)]),
    ...methods("createIdSource()", () => ids, { next: [] }),
    createRandom: well(createRandom, () => [7]),
    restoreRandom: well(contracts.restoreRandom, () => [createRandom(7).state()]),
    ...methods("createRandom()", random, {
      next: [],
      integer: [() => [5], { RangeError: () => random().integer(0) }],
      normal: [],
      fork: [() => ["label"]],
      state: [],
    }),
    hashSeed: well(contracts.hashSeed, () => ["text", 1]),
  };
}
