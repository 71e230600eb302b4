import { type Clock, systemClock } from "@millwright/contracts";
import type { ReadyModel } from "../build-model.ts";
import { workersLost } from "../errors.ts";
import type { Matrix } from "../minibatches.ts";
import { rootsOfTask, rowsOf, stretchOf, sumShards } from "./replica.ts";
import type { ShardLearner, ShardTask } from "./shard-learner.ts";
import { addInto } from "./shards.ts";
import { copyWeights } from "./step-vector.ts";
import type { RemoteWorker, Transport } from "./transport.ts";
import type { ResolvedWorkers } from "./workers-option.ts";

/** What happened to a worker beside the first. */
export interface WorkerChange {
  readonly change: "started" | "lost" | "replaced";
  /** From 1; the first worker is 0. */
  readonly worker: number;
  /** Its process; of a thread, the process it is in. */
  readonly pid: number | null;
  /** The step that ran, or was to come. */
  readonly step: number;
  /** Workers there are now, the first among them. */
  readonly workers: number;
  readonly reason: string | null;
}

export interface WorkerGroupOptions {
  readonly ready: ReadyModel;
  readonly learner: ShardLearner;
  readonly transport: Transport;
  readonly workers: ResolvedWorkers;
  /** Most rows learned from at once; undefined for as many as a shard has. */
  readonly pieceRows?: number | undefined;
  readonly onChange: (change: WorkerChange) => void;
  readonly signal: AbortSignal;
  readonly clock?: Clock | undefined;
}

/** From how many numbers on it pays to add them up in several threads. */
const stretchNumbers = 32_768;
const startTimeoutMs = 120_000;

/** The first worker's side: hands out each step's shards, learns from its own, and adds up. */
export class WorkerGroup {
  readonly #options: WorkerGroupOptions;
  readonly #clock: Clock;
  /** In the order of their positions behind the first. */
  #team: RemoteWorker[] = [];
  /** Replacements that are not ready yet. */
  #coming: RemoteWorker[] = [];
  #started = 0;
  #replaced = 0;
  #step = 0;
  readonly changes: WorkerChange[] = [];

  constructor(options: WorkerGroupOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Workers there are, the first among them. */
  get size(): number {
    return this.#team.length + 1;
  }

  /** Starts the others. Throws `TRAINER_WORKERS_LOST` where one cannot be started. */
  async open(): Promise<void> {
    const { workers, transport, signal } = this.#options;
    const starting = Array.from({ length: workers.count - 1 }, () => this.#start());
    const untilMs = this.#clock.monotonicMs() + startTimeoutMs;
    while (starting.some(({ state }) => state === "starting")) {
      signal.throwIfAborted();
      if (this.#clock.monotonicMs() > untilMs)
        for (const one of starting) if (one.state === "starting") one.kill("It was not ready in time.");
      await transport.pause();
    }
    const failed = starting.find(({ state }) => state === "lost");
    if (failed !== undefined) throw workersLost(1, workers.count, failed.reason ?? "it did not start");
    this.#team = starting;
    for (const worker of starting) this.#tell("started", worker);
  }

  /**
   * The batch's vector, as a `ShardLearner` lays it out; it holds until the next step. A worker that is lost meanwhile is done without: its shards are learned from
   * here, in the same step. Throws `TRAINER_WORKERS_LOST`.
   */
  async learn(rows: Pick<Matrix, "features" | "labels">, step: number, lossScale = 1): Promise<Float32Array> {
    const { transport, ready, learner, workers } = this.#options;
    const { board } = transport;
    this.#step = step;
    this.#admit();
    board.features.set(rows.features);
    board.labels.set(rows.labels);
    await copyWeights(ready.model, board.weights);
    const team = [...this.#team];
    const tasks = this.#tasks(rows.labels.length, { step, lossScale, workers: team.length + 1 });
    const [own] = tasks as [ShardTask];
    for (const [index, worker] of team.entries()) {
      const task = tasks[index + 1] as ShardTask;
      const [from, to] = rowsOf(task);
      board.pushTask([from, to]);
      worker.begin({ ...task, kind: "learn" });
    }
    await learner.learn(own, board);
    if (workers.reduction === "arrival") return this.#addAsTheyArrive(team, tasks);
    await this.#wait(team, async (index) => {
      const task = tasks[index + 1] as ShardTask;
      if (team[index]?.state === "lost") await learner.learn(task, board);
      else for (const { from } of rootsOfTask(task)) board.pullSlot(from);
    });
    return this.#addUp(team, own);
  }

  #tasks(
    rows: number,
    { step, lossScale, workers }: Pick<ShardTask, "step" | "lossScale" | "workers">,
  ): readonly ShardTask[] {
    const { workers: options, pieceRows = Infinity } = this.#options;
    const shards = options.shards === "workers" ? workers : options.shards;
    const piece = Math.min(rows, pieceRows);
    return Array.from({ length: workers }, (_, position) => ({
      step,
      rows,
      shards,
      position,
      workers,
      pieceRows: piece,
      lossScale,
    }));
  }

  /** Takes each worker's sums in the order in which they come, the first worker's first. */
  async #addAsTheyArrive(team: readonly RemoteWorker[], tasks: readonly ShardTask[]): Promise<Float32Array> {
    const { transport, learner } = this.#options;
    const { board } = transport;
    const sum = board.slot(0);
    const take = (task: ShardTask): void => {
      for (const { from } of rootsOfTask(task)) if (from !== 0) addInto(sum, board.slot(from));
    };
    take(tasks[0] as ShardTask);
    await this.#wait(team, async (index) => {
      const task = tasks[index + 1] as ShardTask;
      if (team[index]?.state === "lost") await learner.learn(task, board);
      else for (const { from } of rootsOfTask(task)) board.pullSlot(from);
      take(task);
    });
    return sum;
  }

  /** Adds up in the tree's order: each worker a stretch of the numbers, where that pays. */
  async #addUp(team: readonly RemoteWorker[], own: ShardTask): Promise<Float32Array> {
    const { transport, learner } = this.#options;
    const { board } = transport;
    const { length } = learner.layout;
    const there = team.filter(({ state }) => state !== "lost");
    if (!transport.shared || length < stretchNumbers || there.length < team.length) {
      sumShards(own, board, [0, length]);
      return board.slot(0);
    }
    for (const [index, worker] of team.entries()) worker.begin({ ...own, position: index + 1, kind: "sum" });
    sumShards(own, board, stretchOf(length, 0, own.workers));
    let broken = false;
    await this.#wait(team, (index) => {
      broken ||= team[index]?.state === "lost";
      return Promise.resolve();
    });
    if (!broken) return board.slot(0);
    // A stretch may be half done, and cannot be done again.
    const alone = { ...own, position: 0, workers: 1 };
    await learner.learn(alone, board);
    sumShards(alone, board, [0, length]);
    return board.slot(0);
  }

  /** Waits until each worker has done its task or is lost, and calls `then` for each, one after another, in the order in which that comes about. */
  async #wait(team: readonly RemoteWorker[], then: (index: number) => Promise<void>): Promise<void> {
    const { transport, workers, signal } = this.#options;
    const pending = new Set(team.keys());
    const beganMs = this.#clock.monotonicMs();
    while (pending.size > 0) {
      for (const index of pending) {
        const worker = team[index] as RemoteWorker;
        if (worker.state === "busy") continue;
        pending.delete(index);
        if (worker.state === "lost") this.#lose(worker);
        await then(index);
      }
      if (pending.size === 0) return;
      // Whoever stops the run does not wait for a worker that hangs.
      signal.throwIfAborted();
      if (this.#clock.monotonicMs() - beganMs > workers.stepTimeoutMs)
        for (const index of pending) team[index]?.kill(`It did not answer for ${workers.stepTimeoutMs} ms.`);
      await transport.pause();
    }
  }

  #start(): RemoteWorker {
    this.#started += 1;
    return this.#options.transport.start(this.#started);
  }

  #lose(worker: RemoteWorker): void {
    const { workers } = this.#options;
    this.#team = this.#team.filter((other) => other !== worker);
    this.#tell("lost", worker);
    if (this.size < workers.minimum) throw workersLost(this.size, workers.minimum, worker.reason ?? "");
    if (this.#replaced >= workers.replacements) return;
    this.#replaced += 1;
    this.#coming.push(this.#start());
  }

  /** Between two steps: takes in replacements that are ready, and lets go of workers that were lost while idle. */
  #admit(): void {
    for (const worker of this.#team) if (worker.state === "lost") this.#lose(worker);
    for (const worker of this.#coming) {
      if (worker.state === "starting") continue;
      this.#coming = this.#coming.filter((other) => other !== worker);
      if (worker.state === "lost") this.#lose(worker);
      else {
        this.#team.push(worker);
        this.#tell("replaced", worker);
      }
    }
  }

  #tell(change: WorkerChange["change"], worker: RemoteWorker): void {
    const told: WorkerChange = {
      change,
      worker: worker.worker,
      pid: worker.pid ?? null,
      step: this.#step,
      workers: this.size,
      reason: change === "lost" ? (worker.reason ?? null) : null,
    };
    this.changes.push(told);
    this.#options.onChange(told);
  }
}
