import type { Board } from "./board.ts";
import type { ShardTask } from "./shard-learner.ts";

/** What the first worker asks of another: gradients of its shards, or its stretch of their sum. */
export interface WorkerTask extends ShardTask {
  readonly kind: "learn" | "sum";
}

/** `starting` → `idle` ⇄ `busy`; `lost` for ever. */
export type RemoteState = "starting" | "idle" | "busy" | "lost";

/** A worker beside the first, as the first sees it. */
export interface RemoteWorker {
  /** From 1: its number, which a later one does not get again. */
  readonly worker: number;
  /** Of its process; of a thread, the process it is in. */
  readonly pid: number | undefined;
  readonly state: RemoteState;
  /** Why it was lost. */
  readonly reason: string | undefined;
  begin(task: WorkerTask): void;
  /** Ends it at once. */
  kill(reason: string): void;
}

/** Workers of one kind, and what they and the first have in common. */
export interface Transport extends AsyncDisposable {
  readonly kind: "threads" | "processes";
  readonly board: Board;
  /** Whether others see what was written without being shown, so that they may sum. */
  readonly shared: boolean;
  /** Starts a worker, which is `idle` once it is ready. */
  start(worker: number): RemoteWorker;
  /** Returns when a worker's state may have changed, or after some milliseconds. */
  pause(): Promise<void>;
}
