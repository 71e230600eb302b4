import type { Tensor } from "./define-training.ts";
import { lossNotFinite, workerRecycled } from "./errors.ts";
import { GradientStep } from "./gradient-step.ts";
import { saveLoop } from "./loop-checkpoints.ts";
import type { LoopState } from "./loop-state.ts";
import type { StepRows } from "./input/training-rows.ts";
import { actOnRules } from "./loop-rules.ts";
import type { Optimization } from "./optimization.ts";
import type { DueRule } from "./debugger/run-rules.ts";
import type { StepWatch } from "./debugger/tensor-watch.ts";
import { initialLossScale, type LossScaling, stepLossScale } from "./precision/loss-scale.ts";
import { lossScalingOf } from "./precision/mixed-precision.ts";
import { stopAfterStep } from "./stop-conditions.ts";
import type { LeakFinding } from "./watchdog/leak-watch.ts";
import { yieldToEvents } from "./yield-to-events.ts";

const maxBusyMs = 100;
/** Steps on end that may be left out for want of a loss scale. */
const mostSkipped = 100;

/** The steps of a run's epochs. */
export class LoopSteps {
  readonly #loop: LoopState;
  readonly #stepper: GradientStep;
  /** The last step's loss, where it was not looked at. */
  #unread: Tensor | undefined;
  #busyMs = 0;
  #rowsDone = 0;

  constructor(loop: LoopState) {
    const { tf, ready, seed, train, optimization: given = {}, pieceRows, gradients: source } = loop.options;
    // A rule that ends the run where gradients are no numbers keeps the weights of the step before.
    const guards = loop.rules?.guardsSteps === true && given.notFinite !== "stop";
    const optimization: Optimization = guards ? { ...given, notFinite: "skip" } : given;
    this.#loop = loop;
    this.#stepper = new GradientStep(tf, ready, {
      optimization,
      seed,
      width: train.width,
      pieceRows,
      source,
      lap: (phase) => loop.profiler.lap(phase),
    });
  }

  get rowsPerSecond(): number {
    return this.#busyMs === 0 ? 0 : (this.#rowsDone * 1_000) / this.#busyMs;
  }

  dispose(): void {
    this.#unread?.dispose();
    this.#unread = undefined;
  }

  /** @returns whether the epoch is over; else the run is to end within it. */
  async runEpoch(): Promise<boolean> {
    const loop = this.#loop;
    const { train, signal, stopAsked } = loop.options;
    const { position } = loop;
    loop.epoch = position.epoch + 1;
    if (!position.begun) {
      position.batchRows = this.#batchRows();
      await loop.callbacks.call("onEpochStart");
    }
    const batches = Math.ceil(train.rows / (position.batchRows ?? loop.options.batchSize));
    position.begun = true;
    let yieldedMs = loop.clock.monotonicMs();
    while (position.batch < batches) {
      if (signal.aborted) await this.#interrupted();
      loop.saving.throwIfFailed();
      loop.stop(stopAsked?.());
      if (position.stop !== undefined) return false;
      await this.#runBatch(position.batch + 1 === batches);
      if (loop.clock.monotonicMs() - yieldedMs < maxBusyMs) continue;
      await yieldToEvents();
      loop.profiler.lap("other");
      yieldedMs = loop.clock.monotonicMs();
    }
    return true;
  }

  /** Of the epoch that begins. */
  #batchRows(): number | undefined {
    const { batchSize, batchShare } = this.#loop.options;
    const share = batchShare?.() ?? 1;
    return share === 1 ? undefined : Math.max(1, Math.round(batchSize * share));
  }

  async #runBatch(atEnd: boolean): Promise<void> {
    const loop = this.#loop;
    const { position, callbacks, profiler } = loop;
    const { train, checkpointSteps, lossEverySteps, onStep, stopWhen = {} } = loop.options;
    const { batch, batchRows: batchSize = loop.options.batchSize } = position;
    const start = batch * batchSize;
    const end = Math.min(train.rows, start + batchSize);
    const rows = end - start;
    let skipped = false;
    if (callbacks.has("onBatchStart"))
      await callbacks.call("onBatchStart", { batch, rows, skip: () => (skipped = true) });
    profiler.lap("callbacks");
    profiler.beginStep();
    const startedMs = loop.clock.monotonicMs();
    const saves = checkpointSteps !== undefined && (position.step + 1) % checkpointSteps === 0 && !atEnd;
    let dues: readonly DueRule[] = [];
    if (!skipped) {
      const given = train.batch(position.epoch, start, end);
      const taken = "labels" in given ? given : await given;
      profiler.lap("data");
      dues = await this.#learn(taken);
    }
    const looks = position.step % lossEverySteps === 0 || atEnd || saves;
    const loss = looks ? await this.#readLossAfter(dues) : undefined;
    position.batch += 1;
    position.step += 1;
    profiler.lap("sync");
    const stepMs = profiler.endStep(position.step);
    const leak = loop.options.watch?.step(position.step, stepMs);
    if (loss !== undefined) {
      position.lossSum += loss * rows;
      position.lossRows += rows;
    }
    const nowMs = loop.clock.monotonicMs();
    this.#busyMs += nowMs - startedMs;
    this.#rowsDone += rows;
    onStep(position.step, position.epoch + 1, loss, this.rowsPerSecond);
    profiler.lap("other");
    if (!skipped && callbacks.has("onBatchEnd")) await callbacks.call("onBatchEnd", { batch, rows, loss });
    profiler.lap("callbacks");
    loop.elapse(nowMs);
    if (dues.length > 0) await actOnRules(loop, dues);
    loop.stop(stopAfterStep(stopWhen, position));
    if (leak !== undefined && (await loop.options.watch?.leak(leak)) === true) await this.#recycle(leak);
    if (saves) await saveLoop(loop);
    else if (!atEnd && nowMs - loop.savedMs >= (loop.options.checkpointMs ?? Infinity)) await this.#saveUnplanned();
  }

  /** A step. @returns what the rules say of it. */
  async #learn(rows: StepRows): Promise<readonly DueRule[]> {
    const { rules, position, clock } = this.#loop;
    const watch = rules?.begin(position.step, rows);
    if (watch !== undefined) this.#loop.profiler.lap("rules");
    let taken = false;
    try {
      await this.#step(rows, watch);
      taken = this.#unread !== undefined;
    } finally {
      if (!taken) watch?.dispose();
    }
    if (rules === undefined) return [];
    if (!taken) return rules.exploded(position.step, clock.nowMs());
    if (watch === undefined) return [];
    const dues = await rules.observe(position.step, watch, clock.nowMs());
    this.#loop.profiler.lap("rules");
    return dues;
  }

  /** The loss; where it is none, what the rules said is told before the run ends with that. */
  async #readLossAfter(dues: readonly DueRule[]): Promise<number | undefined> {
    try {
      return await this.#readLoss();
    } catch (error) {
      await actOnRules(this.#loop, dues);
      throw error;
    }
  }

  /** One step of the optimizer; what its loss is stays on the device. */
  async #step(rows: StepRows, watch?: StepWatch): Promise<void> {
    const loop = this.#loop;
    const { position } = loop;
    loop.rate.apply(position);
    this.#unread?.dispose();
    const scaling = lossScalingOf(loop.options.optimization?.precision);
    if (scaling !== undefined) position.lossScale ??= initialLossScale(scaling);
    this.#unread = await this.#stepper.take(rows, position.step, watch, position.lossScale?.scale);
    if (scaling !== undefined) this.#rescale(scaling, this.#unread !== undefined);
    if (this.#unread !== undefined) {
      if (loop.average === undefined) return;
      loop.average.update("step", position.epoch + 1);
      return loop.profiler.lap("optimizer");
    }
    position.skipped += 1;
    if (scaling !== undefined || loop.options.optimization?.notFinite !== "stop") return;
    loop.stop({
      cause: "not-finite",
      reason: `The loss of step ${position.step + 1} or its gradients are no numbers.`,
    });
  }

  /** Throws `TRAINER_LOSS_NOT_FINITE` where no scale is small enough. */
  #rescale(scaling: LossScaling, taken: boolean): void {
    const { position } = this.#loop;
    const next = stepLossScale(position.lossScale ?? initialLossScale(scaling), taken, scaling);
    position.lossScale = next;
    if (next.skipped >= mostSkipped) throw lossNotFinite(Number.NaN, position.epoch + 1, position.step + 1);
  }

  /**
   * The loss of the last step, where it was taken. Throws `TRAINER_LOSS_NOT_FINITE`: a loss that no step looked at makes the weights, and with them
   * the next loss looked at, no number either, and weights are saved only after a look.
   */
  async #readLoss(): Promise<number | undefined> {
    if (this.#unread === undefined) return undefined;
    const { epoch, step } = this.#loop.position;
    const loss = (await this.#unread.data())[0] ?? Number.NaN;
    this.dispose();
    if (!Number.isFinite(loss)) throw lossNotFinite(loss, epoch + 1, step + 1);
    return loss;
  }

  async #interrupted(): Promise<never> {
    await this.#saveUnplanned();
    await this.#loop.saving.settled();
    throw this.#loop.options.signal.reason as Error;
  }

  async #recycle({ measure, perStep, step }: LeakFinding): Promise<never> {
    await this.#saveUnplanned();
    await this.#loop.saving.settled();
    throw workerRecycled(measure, perStep.slope, step);
  }

  async #saveUnplanned(): Promise<void> {
    // For its check alone: when a checkpoint is written by the clock must not change what the run reports.
    await this.#readLoss();
    await saveLoop(this.#loop);
  }
}
