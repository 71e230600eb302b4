import type { ReplicaSpec } from "./replica.ts";

/** What a worker's thread is given. */
export interface ThreadData {
  readonly spec: ReplicaSpec;
  /** The board's. */
  readonly memory: SharedArrayBuffer;
  /** Cells between the first worker and this one. */
  readonly control: SharedArrayBuffer;
  /** One cell that counts what all workers have to say. */
  readonly ring: SharedArrayBuffer;
}

/** Places of 32-bit cells. Tasks are numbered: `asked` is the newest, `done` the last that is over; `lossScale` is a float. */
export const cells = { ready: 0, asked: 1, done: 2, task: 3, lossScale: 10, length: 11 } as const;
