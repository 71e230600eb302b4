import { type Clock, type JsonObject, systemClock } from "@millwright/contracts";
import type { TensorFlow } from "@millwright/tfjs";
import type { ReadyModel } from "./build-model.ts";
import type { Checkpoint, CheckpointPart } from "./checkpoint-file.ts";
import type { Tensor, TrainingTask } from "./define-training.ts";
import { initialStopping, type StoppingState, stepStopping } from "./early-stopping.ts";
import { lossNotFinite, resumeDiverged } from "./errors.ts";
import { binaryMetrics, type Metrics, regressionMetrics } from "./metrics.ts";
import { gather, type Matrix, orderOfEpoch } from "./minibatches.ts";
import { readOptimizer, readWeights, writeOptimizer, writeWeights } from "./model-state.ts";
import { predictMatrix } from "./predict-matrix.ts";
import type { EpochReport, RunOutcome } from "./run-messages.ts";
import { seedStep } from "./seeding.ts";
import { yieldToEvents } from "./yield-to-events.ts";

export interface LoopOptions {
  readonly tf: TensorFlow;
  readonly ready: ReadyModel;
  readonly task: TrainingTask;
  readonly train: Matrix;
  readonly validation: Matrix | undefined;
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly stopping:
    | { readonly metric: string; readonly patience: number; readonly minDelta: number; readonly restoreBest: boolean }
    | undefined;
  /** What a checkpoint must have been made with to be gone on from. */
  readonly fingerprint: Readonly<Record<string, string>>;
  /** Checkpoints after so many steps, besides those after each epoch; undefined for none within epochs. */
  readonly checkpointSteps: number | undefined;
  /**
   * Steps between two looks at the loss; more than 1 where reading it makes a device wait. It is looked at besides in an epoch's last step
   * and in steps that a checkpoint follows.
   */
  readonly lossEverySteps: number;
  readonly signal: AbortSignal;
  readonly clock?: Clock | undefined;
  /** Keeps a checkpoint; absent for none. */
  readonly save?: ((step: number, checkpoint: Checkpoint) => Promise<string>) | undefined;
  /** `loss` is undefined in steps where it was not looked at. */
  readonly onStep: (step: number, epoch: number, loss: number | undefined, rowsPerSecond: number) => void;
  /** Called after each epoch with the path of its checkpoint; says whether to go on. */
  readonly onEpoch: (report: EpochReport, checkpoint: string | undefined) => Promise<"continue" | "pause" | "prune">;
}

export interface LoopResult {
  readonly outcome: RunOutcome;
  readonly epochs: readonly EpochReport[];
  readonly bestEpoch: number;
  readonly step: number;
  readonly checkpoint: string | undefined;
  readonly rowsPerSecond: number;
}

/** Where a run is: all of it is in every checkpoint. */
interface Position {
  /** Epochs that are over. */
  epoch: number;
  /** Batches of the current epoch that are over. */
  batch: number;
  step: number;
  /** Sum, over the epoch's batches whose loss was looked at, of the loss times their rows. */
  lossSum: number;
  /** Rows of those batches. */
  lossRows: number;
  reports: EpochReport[];
  stopping: StoppingState;
}

const initialPosition: Omit<Position, "reports"> = {
  epoch: 0,
  batch: 0,
  step: 0,
  lossSum: 0,
  lossRows: 0,
  stopping: initialStopping,
};

const maxBusyMs = 100;

/** A training run's own loop: what it does next is a function of its options and its position alone. */
export class TrainingLoop {
  readonly #options: LoopOptions;
  readonly #clock: Clock;
  #position: Position;
  /** The last step's loss, where it was not looked at. */
  #unread: Tensor | undefined;
  #best: readonly CheckpointPart[] = [];
  #checkpoint: string | undefined;
  #busyMs = 0;
  #rowsDone = 0;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#position = { ...initialPosition, reports: [] };
  }

  get position(): { readonly epoch: number; readonly step: number } {
    return this.#position;
  }

  /** Of the epochs that are over. */
  get reports(): readonly EpochReport[] {
    return this.#position.reports;
  }

  /** Goes on from a checkpoint, to the bit. Throws `TRAINER_RESUME_DIVERGED`, `TRAINER_MODEL_UNFIT`. */
  async restore({ state, parts }: Checkpoint, path: string): Promise<void> {
    const { tf, ready, fingerprint } = this.#options;
    const theirs = state["fingerprint"] as Readonly<Record<string, string>>;
    const differences = Object.entries(fingerprint)
      .filter(([name, value]) => theirs[name] !== value)
      .map(([name, value]) => `${name} was ${theirs[name]} and is ${value}`);
    if (differences.length > 0) throw resumeDiverged(differences);
    writeWeights(tf, ready.model, parts);
    await writeOptimizer(tf, ready.optimizer, parts);
    this.#best = parts.filter(({ name }) => name.startsWith("best/"));
    this.#position = decodePosition(state, this.#options);
    this.#checkpoint = path;
  }

  async run(): Promise<LoopResult> {
    const { epochs, stopping } = this.#options;
    let outcome: RunOutcome = "completed";
    while (this.#position.epoch < epochs) {
      if (stopping !== undefined && this.#position.stopping.waited >= stopping.patience) {
        outcome = "stopped-early";
        break;
      }
      await this.#runEpoch();
      const report = await this.#endEpoch();
      await this.#save();
      const verdict = await this.#options.onEpoch(report, this.#checkpoint);
      if (verdict === "continue") continue;
      outcome = verdict === "pause" ? "paused" : "pruned";
      break;
    }
    return this.#finish(outcome);
  }

  #finish(outcome: RunOutcome): LoopResult {
    const { tf, ready, stopping } = this.#options;
    const { epoch, step, reports, stopping: state } = this.#position;
    const restores = stopping?.restoreBest === true && this.#best.length > 0 && outcome !== "paused";
    if (restores) writeWeights(tf, ready.model, this.#best, "best");
    return {
      outcome,
      epochs: reports,
      bestEpoch: restores ? state.bestEpoch : epoch,
      step,
      checkpoint: this.#checkpoint,
      rowsPerSecond: this.#rowsPerSecond(),
    };
  }

  #rowsPerSecond(): number {
    return this.#busyMs === 0 ? 0 : (this.#rowsDone * 1_000) / this.#busyMs;
  }

  async #runEpoch(): Promise<void> {
    const { train, batchSize, seed, signal, checkpointSteps, lossEverySteps, onStep } = this.#options;
    const position = this.#position;
    const order = orderOfEpoch(train.rows, seed, position.epoch);
    const batches = Math.ceil(train.rows / batchSize);
    let yieldedMs = this.#clock.monotonicMs();
    while (position.batch < batches) {
      if (signal.aborted) await this.#interrupted();
      const startedMs = this.#clock.monotonicMs();
      const start = position.batch * batchSize;
      const end = Math.min(train.rows, start + batchSize);
      const atEnd = position.batch + 1 === batches;
      const saves = checkpointSteps !== undefined && (position.step + 1) % checkpointSteps === 0 && !atEnd;
      this.#step(gather(train, order, start, end));
      const loss = position.step % lossEverySteps === 0 || atEnd || saves ? this.#readLoss() : undefined;
      position.batch += 1;
      position.step += 1;
      if (loss !== undefined) {
        position.lossSum += loss * (end - start);
        position.lossRows += end - start;
      }
      this.#busyMs += this.#clock.monotonicMs() - startedMs;
      this.#rowsDone += end - start;
      onStep(position.step, position.epoch + 1, loss, this.#rowsPerSecond());
      if (saves) await this.#save();
      if (this.#clock.monotonicMs() - yieldedMs < maxBusyMs) continue;
      await yieldToEvents();
      yieldedMs = this.#clock.monotonicMs();
    }
  }

  /** One step of the optimizer; what its loss is stays on the device. */
  #step({ features, labels }: Pick<Matrix, "features" | "labels">): void {
    const { tf, ready, train, seed } = this.#options;
    const { model, optimizer } = ready;
    seedStep(model, seed, this.#position.step);
    this.#unread?.dispose();
    this.#unread = tf.tidy(() => {
      const x = tf.tensor2d(features, [labels.length, train.width]);
      const y = tf.tensor2d(labels, [labels.length, 1]);
      const variables = model.trainableWeights.map((weight) => weight.read());
      const cost = optimizer.minimize(
        () => this.#cost(x, y),
        true,
        variables as Parameters<typeof optimizer.minimize>[2],
      );
      return cost ?? tf.scalar(Number.NaN);
    });
  }

  /**
   * The loss of the step just taken. Throws `TRAINER_LOSS_NOT_FINITE`: a loss that no step looked at makes the weights, and with them the
   * next loss looked at, no number either, and weights are saved only after a look.
   */
  #readLoss(): number {
    const { epoch, step } = this.#position;
    const loss = this.#unread?.dataSync()[0] ?? Number.NaN;
    this.#unread?.dispose();
    this.#unread = undefined;
    if (!Number.isFinite(loss)) throw lossNotFinite(loss, epoch + 1, step + 1);
    return loss;
  }

  #cost(x: Tensor, y: Tensor): ReturnType<TensorFlow["scalar"]> {
    const { tf, ready } = this.#options;
    const predictions = ready.model.apply(x, { training: true }) as Tensor;
    const penalties = ready.model.calculateLosses();
    const loss = ready.loss(y, predictions);
    return penalties.reduce((sum, penalty) => tf.add(sum, penalty), loss).asScalar();
  }

  async #endEpoch(): Promise<EpochReport> {
    const { tf, ready, task, validation, stopping } = this.#options;
    const position = this.#position;
    const metrics =
      validation === undefined ? {} : metricsOf(task, validation, await predictMatrix(tf, ready.model, validation));
    const trainLoss = position.lossSum / position.lossRows;
    const report: EpochReport = { epoch: position.epoch + 1, step: position.step, trainLoss, metrics };
    position.reports.push(report);
    Object.assign(position, { epoch: report.epoch, batch: 0, lossSum: 0, lossRows: 0 });
    if (stopping !== undefined) {
      const { state, improved } = stepStopping(position.stopping, report.epoch, { trainLoss, ...metrics }, stopping);
      position.stopping = state;
      if (improved && stopping.restoreBest) this.#best = await readWeights(ready.model, "best");
    }
    return report;
  }

  async #interrupted(): Promise<never> {
    // For its check alone: when a run is interrupted must not change what it reports.
    if (this.#unread !== undefined) this.#readLoss();
    await this.#save();
    throw this.#options.signal.reason as Error;
  }

  async #save(): Promise<void> {
    const { ready, save, fingerprint } = this.#options;
    if (save === undefined) return;
    const parts = [...(await readWeights(ready.model)), ...(await readOptimizer(ready.optimizer)), ...this.#best];
    this.#checkpoint = await save(this.#position.step, {
      state: { fingerprint, ...encodePosition(this.#position) },
      parts,
    });
  }
}

export function metricsOf(task: TrainingTask, { labels }: Pick<Matrix, "labels">, predictions: Float32Array): Metrics {
  return task === "binary" ? binaryMetrics(labels, predictions) : regressionMetrics(labels, predictions);
}

/** JSON has no NaN: a metric that is none is written as null. */
const encodePosition = (position: Position): JsonObject => JSON.parse(JSON.stringify(position)) as JsonObject;

function decodePosition(state: JsonObject, { train, batchSize }: LoopOptions): Position {
  const { epoch, batch, step, lossSum, lossRows, reports, stopping } = state as unknown as Position & {
    /** Checkpoints that lack it are of runs that looked at every step. */
    readonly lossRows?: number;
  };
  const number = (value: number | null): number => value ?? Number.NaN;
  return {
    epoch,
    batch,
    step,
    lossSum,
    lossRows: lossRows ?? Math.min(train.rows, batch * batchSize),
    stopping: { ...stopping, bestValue: stopping.bestValue ?? undefined },
    reports: reports.map((report) => ({
      ...report,
      metrics: Object.fromEntries(Object.entries(report.metrics).map(([name, value]) => [name, number(value)])),
    })),
  };
}
