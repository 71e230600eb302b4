import { type Clock, systemClock } from "@millwright/contracts";
import { rankCheckpoints } from "./best-checkpoints.ts";
import { type CallbackControl, CallbackRunner } from "./callback-runner.ts";
import type { Checkpoint, CheckpointPart } from "./checkpoint-file.ts";
import type { Tensor, TrainingTask } from "./define-training.ts";
import { isOver, stepStopping } from "./early-stopping.ts";
import { inputInvalid, lossNotFinite, resumeDiverged } from "./errors.ts";
import { GradientStep } from "./gradient-step.ts";
import type { LoopOptions, LoopResult } from "./loop-options.ts";
import { decodePosition, encodePosition, initialPosition, type Position } from "./loop-position.ts";
import { binaryMetrics, type Metrics, regressionMetrics } from "./metrics.ts";
import { gather, type Matrix, orderOfEpoch } from "./minibatches.ts";
import { readOptimizer, readWeights, writeOptimizer, writeWeights } from "./model-state.ts";
import { predictMatrix } from "./predict-matrix.ts";
import { RunLearningRate } from "./run-learning-rate.ts";
import type { EpochReport, RunOutcome } from "./run-messages.ts";
import { stopAfterEpoch, stopAfterStep, type StopReason } from "./stop-conditions.ts";
import { AveragedWeights } from "./weight-averaging.ts";
import { yieldToEvents } from "./yield-to-events.ts";

const maxBusyMs = 100;

/** A training run's own loop: what it does next is a function of its options and its position alone. */
export class TrainingLoop {
  readonly #options: LoopOptions;
  readonly #clock: Clock;
  readonly #callbacks: CallbackRunner;
  readonly #stepper: GradientStep;
  readonly #rate: RunLearningRate;
  readonly #average: AveragedWeights | undefined;
  #position: Position = initialPosition();
  /** The last step's loss, where it was not looked at. */
  #unread: Tensor | undefined;
  #best: readonly CheckpointPart[] = [];
  #checkpoint: string | undefined;
  #busyMs = 0;
  #rowsDone = 0;
  #savedMs = 0;
  /** When the run began, had it all been one attempt. */
  #beganMs = 0;
  /** From 1: the one that runs, or has just ended. */
  #epoch = 1;

  constructor(options: LoopOptions) {
    const { tf, ready, seed, train, optimization = {}, callbacks = [] } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#stepper = new GradientStep(tf, ready, { optimization, seed, width: train.width });
    this.#rate = new RunLearningRate(ready.optimizer, optimization.learningRate, objectiveOf(options));
    this.#average =
      optimization.average === undefined ? undefined : new AveragedWeights(tf, ready.model, optimization.average);
    this.#callbacks = new CallbackRunner(callbacks, this.#control());
  }

  get position(): { readonly epoch: number; readonly step: number } {
    return this.#position;
  }

  /** Of the epochs that are over. */
  get reports(): readonly EpochReport[] {
    return this.#position.reports;
  }

  /**
   * Goes on from a checkpoint, to the bit. Throws `TRAINER_RESUME_DIVERGED`, `TRAINER_MODEL_UNFIT`.
   * @param own Whether it is this run's: what another was to stop for, and kept for being good, is left behind.
   */
  async restore({ state, parts }: Checkpoint, path: string, own = true): Promise<void> {
    const { tf, ready, fingerprint, train, batchSize } = this.#options;
    const theirs = state["fingerprint"] as Readonly<Record<string, string>>;
    const differences = [...new Set([...Object.keys(fingerprint), ...Object.keys(theirs)])]
      .filter((name) => theirs[name] !== fingerprint[name])
      .map((name) => `${name} was ${theirs[name] ?? "absent"} and is ${fingerprint[name] ?? "absent"}`);
    if (differences.length > 0) throw resumeDiverged(differences);
    writeWeights(tf, ready.model, parts);
    await writeOptimizer(tf, ready.optimizer, parts);
    this.#best = parts.filter(({ name }) => name.startsWith("best/"));
    const rowsDone = (batch: number): number => Math.min(train.rows, batch * batchSize);
    const { position, callbacks, callbackFailures } = decodePosition(state, rowsDone);
    this.#position = own ? position : { ...position, stop: undefined, kept: [] };
    this.#average?.restore(parts, position.averaged);
    this.#callbacks.restore(callbacks, callbackFailures);
    this.#checkpoint = path;
  }

  /** Throws `TRAINER_LOSS_NOT_FINITE`, `TRAINER_CALLBACK_FAILED`, or the reason of the signal. */
  async run(): Promise<LoopResult> {
    this.#savedMs = this.#clock.monotonicMs();
    this.#beganMs = this.#savedMs - this.#position.elapsedMs;
    this.#epoch = this.#position.epoch + 1;
    try {
      await this.#callbacks.call("onFitStart");
      const outcome = await this.#runEpochs();
      const bestEpoch = this.#takeFinalWeights(outcome);
      await this.#callbacks.call("onFitEnd", { outcome });
      return this.#result(outcome, bestEpoch);
    } catch (error) {
      // The error stays what it is.
      await this.#callbacks.call("onException", error).catch(() => {});
      throw error;
    } finally {
      this.#unread?.dispose();
      this.#unread = undefined;
      this.#average?.dispose();
    }
  }

  async #runEpochs(): Promise<RunOutcome> {
    const { epochs, stopping, stopWhen = {} } = this.#options;
    const position = this.#position;
    while (position.epoch < epochs) {
      if (position.stop !== undefined) return "stopped";
      if (stopping !== undefined && isOver(position.stopping, position.epoch, stopping)) return "stopped-early";
      const ended = await this.#runEpoch();
      if (!ended) {
        await this.#save();
        return "stopped";
      }
      const report = await this.#endEpoch();
      this.#stop(stopAfterEpoch(stopWhen, { trainLoss: report.trainLoss, ...report.metrics }));
      await this.#callbacks.call("onEpochEnd", report);
      await this.#save(report);
      const verdict = await this.#options.onEpoch(report, this.#checkpoint);
      if (verdict !== "continue") return verdict === "pause" ? "paused" : "pruned";
    }
    return "completed";
  }

  /** @returns the epoch whose weights the model has. */
  #takeFinalWeights(outcome: RunOutcome): number {
    const { tf, ready, stopping } = this.#options;
    const { epoch, stopping: state } = this.#position;
    if (outcome === "paused") return epoch;
    if (stopping?.restoreBest === true && this.#best.length > 0) {
      writeWeights(tf, ready.model, this.#best, "best");
      return state.bestEpoch;
    }
    this.#average?.apply();
    return epoch;
  }

  #result(outcome: RunOutcome, bestEpoch: number): LoopResult {
    const { step, reports, stop, kept } = this.#position;
    return {
      outcome,
      stop: outcome === "stopped" ? stop : undefined,
      epochs: reports,
      bestEpoch,
      step,
      checkpoint: this.#checkpoint,
      kept,
      callbackFailures: this.#callbacks.failures,
      rowsPerSecond: this.#rowsPerSecond(),
    };
  }

  #rowsPerSecond(): number {
    return this.#busyMs === 0 ? 0 : (this.#rowsDone * 1_000) / this.#busyMs;
  }

  /** What callbacks see of the run and may do to it. */
  #control(): CallbackControl {
    const position = (): Position => this.#position;
    const epoch = (): number => this.#epoch;
    const rate = this.#rate;
    return {
      get epoch() {
        return epoch();
      },
      get step() {
        return position().step;
      },
      get learningRate() {
        return rate.at(position());
      },
      tf: this.#options.tf,
      model: this.#options.ready.model,
      setLearningRate(learningRate) {
        if (!(learningRate >= 0 && Number.isFinite(learningRate)))
          throw inputInvalid("learningRate", learningRate, "a finite number from 0");
        position().learningRate = learningRate;
      },
      stop: (reason) => this.#stop({ cause: "callback", reason }),
    };
  }

  #stop(reason: StopReason | undefined): void {
    this.#position.stop ??= reason;
  }

  /** @returns whether the epoch is over; else the run is to end within it. */
  async #runEpoch(): Promise<boolean> {
    const { train, batchSize, seed, signal, stopAsked } = this.#options;
    const position = this.#position;
    this.#epoch = position.epoch + 1;
    const order = orderOfEpoch(train.rows, seed, position.epoch);
    const batches = Math.ceil(train.rows / batchSize);
    if (!position.begun) await this.#callbacks.call("onEpochStart");
    position.begun = true;
    let yieldedMs = this.#clock.monotonicMs();
    while (position.batch < batches) {
      if (signal.aborted) await this.#interrupted();
      this.#stop(stopAsked?.());
      if (position.stop !== undefined) return false;
      await this.#runBatch(order, position.batch + 1 === batches);
      if (this.#clock.monotonicMs() - yieldedMs < maxBusyMs) continue;
      await yieldToEvents();
      yieldedMs = this.#clock.monotonicMs();
    }
    return true;
  }

  async #runBatch(order: Int32Array, atEnd: boolean): Promise<void> {
    const { train, batchSize, checkpointSteps, lossEverySteps, onStep, stopWhen = {} } = this.#options;
    const position = this.#position;
    const { batch } = position;
    const start = batch * batchSize;
    const end = Math.min(train.rows, start + batchSize);
    const rows = end - start;
    let skipped = false;
    if (this.#callbacks.has("onBatchStart"))
      await this.#callbacks.call("onBatchStart", { batch, rows, skip: () => (skipped = true) });
    const startedMs = this.#clock.monotonicMs();
    const saves = checkpointSteps !== undefined && (position.step + 1) % checkpointSteps === 0 && !atEnd;
    if (!skipped) this.#step(gather(train, order, start, end));
    const loss = position.step % lossEverySteps === 0 || atEnd || saves ? this.#readLoss() : undefined;
    position.batch += 1;
    position.step += 1;
    if (loss !== undefined) {
      position.lossSum += loss * rows;
      position.lossRows += rows;
    }
    const nowMs = this.#clock.monotonicMs();
    this.#busyMs += nowMs - startedMs;
    this.#rowsDone += rows;
    onStep(position.step, position.epoch + 1, loss, this.#rowsPerSecond());
    if (!skipped && this.#callbacks.has("onBatchEnd")) await this.#callbacks.call("onBatchEnd", { batch, rows, loss });
    position.elapsedMs = nowMs - this.#beganMs;
    this.#stop(stopAfterStep(stopWhen, position));
    if (saves) await this.#save();
    else if (!atEnd && nowMs - this.#savedMs >= (this.#options.checkpointMs ?? Infinity)) await this.#saveUnplanned();
  }

  /** One step of the optimizer; what its loss is stays on the device. */
  #step(rows: Pick<Matrix, "features" | "labels">): void {
    const position = this.#position;
    this.#rate.apply(position);
    this.#unread?.dispose();
    this.#unread = this.#stepper.take(rows, position.step);
    if (this.#unread !== undefined) return this.#average?.update("step", position.epoch + 1);
    position.skipped += 1;
    if (this.#options.optimization?.notFinite !== "stop") return;
    this.#stop({
      cause: "not-finite",
      reason: `The loss of step ${position.step + 1} or its gradients are no numbers.`,
    });
  }

  /**
   * The loss of the last step, where it was taken. Throws `TRAINER_LOSS_NOT_FINITE`: a loss that no step looked at makes the weights, and with them
   * the next loss looked at, no number either, and weights are saved only after a look.
   */
  #readLoss(): number | undefined {
    if (this.#unread === undefined) return undefined;
    const { epoch, step } = this.#position;
    const loss = this.#unread.dataSync()[0] ?? Number.NaN;
    this.#unread.dispose();
    this.#unread = undefined;
    if (!Number.isFinite(loss)) throw lossNotFinite(loss, epoch + 1, step + 1);
    return loss;
  }

  async #endEpoch(): Promise<EpochReport> {
    const { validation, stopping } = this.#options;
    const position = this.#position;
    const epoch = position.epoch + 1;
    this.#average?.update("epoch", epoch);
    const report = await this.#withFinalWeights(async () => {
      const metrics = validation === undefined ? {} : await this.#validate(validation);
      const trainLoss = position.lossSum / position.lossRows;
      if (stopping !== undefined) {
        const { state, improved } = stepStopping(position.stopping, epoch, { trainLoss, ...metrics }, stopping);
        position.stopping = state;
        if (improved && stopping.restoreBest) this.#best = await readWeights(this.#options.ready.model, "best");
      }
      const skipped = position.skipped === 0 ? {} : { skipped: position.skipped };
      return { epoch, step: position.step, trainLoss, metrics, ...skipped };
    });
    position.reports.push(report);
    Object.assign(position, { epoch, batch: 0, lossSum: 0, lossRows: 0, skipped: 0, begun: false });
    this.#rate.endEpoch(position, { trainLoss: report.trainLoss, ...report.metrics });
    position.elapsedMs = this.#clock.monotonicMs() - this.#beganMs;
    return report;
  }

  /** With the averaged weights in the model, where there are some. */
  #withFinalWeights<Value>(work: () => Promise<Value>): Promise<Value> {
    return this.#average === undefined ? work() : this.#average.within(work);
  }

  async #validate(validation: Matrix): Promise<Metrics> {
    const { tf, ready, task } = this.#options;
    return metricsOf(task, validation, await predictMatrix(tf, ready.model, validation));
  }

  async #interrupted(): Promise<never> {
    await this.#saveUnplanned();
    throw this.#options.signal.reason as Error;
  }

  async #saveUnplanned(): Promise<void> {
    // For its check alone: when a checkpoint is written by the clock must not change what the run reports.
    this.#readLoss();
    await this.#save();
  }

  async #save(report?: EpochReport): Promise<void> {
    const { ready, save, fingerprint, keepBest } = this.#options;
    if (save === undefined) return;
    await this.#callbacks.call("onCheckpoint");
    const position = this.#position;
    if (report !== undefined && keepBest !== undefined) {
      const value = { trainLoss: report.trainLoss, ...report.metrics }[keepBest.metric] ?? Number.NaN;
      position.kept = rankCheckpoints(position.kept, { epoch: report.epoch, step: report.step, value }, keepBest);
    }
    position.averaged = this.#average?.count ?? 0;
    const { states: callbacks, failures: callbackFailures } = this.#callbacks.save();
    const state = { fingerprint, ...encodePosition({ position, callbacks, callbackFailures }) };
    const averaged = (await this.#average?.save()) ?? [];
    const parts = [
      ...(await readWeights(ready.model)),
      ...(await readOptimizer(ready.optimizer)),
      ...averaged,
      ...this.#best,
    ];
    this.#checkpoint = await save(position.step, { state, parts }, keepBest === undefined ? undefined : position.kept);
    this.#savedMs = this.#clock.monotonicMs();
  }
}

/** What a trial is told, and early stopping goes by, where nothing else is said. */
export const objectiveOf = ({ task, validation }: Pick<LoopOptions, "task" | "validation">): string =>
  validation === undefined ? "trainLoss" : task === "binary" ? "logLoss" : "mse";

export function metricsOf(task: TrainingTask, { labels }: Pick<Matrix, "labels">, predictions: Float32Array): Metrics {
  return task === "binary" ? binaryMetrics(labels, predictions) : regressionMetrics(labels, predictions);
}
