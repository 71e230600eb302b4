import type { Checkpoint } from "./checkpoint-file.ts";
import { isOver, stepStopping } from "./early-stopping.ts";
import { restoreLoop, saveLoop } from "./loop-checkpoints.ts";
import { lossOf, metricsOf } from "./loop-metrics.ts";
import type { LoopOptions, LoopResult, WalkedOptions } from "./loop-options.ts";
import { actOnRules } from "./loop-rules.ts";
import { LoopState } from "./loop-state.ts";
import { LoopSteps } from "./loop-steps.ts";
import type { Metrics } from "./metrics.ts";
import type { EvaluationRows } from "./input/training-rows.ts";
import { readWeights, writeWeights } from "./model-state.ts";
import { predictRows } from "./predict-matrix.ts";
import type { EpochReport, RunOutcome } from "./run-messages.ts";
import { stopAfterEpoch } from "./stop-conditions.ts";

/** A training run's own loop: what it does next is a function of its options and its position alone. */
export class TrainingLoop {
  readonly #options: WalkedOptions;
  readonly #loop: LoopState;
  readonly #steps: LoopSteps;
  /** Of the epoch that has just ended, where rules ask for them. */
  #losses: { readonly train: number; readonly validation: number } | undefined;

  constructor(options: LoopOptions) {
    this.#loop = new LoopState(options);
    this.#options = this.#loop.options;
    this.#steps = new LoopSteps(this.#loop);
  }

  get position(): { readonly epoch: number; readonly step: number } {
    return this.#loop.position;
  }

  /** Of the epochs that are over. */
  get reports(): readonly EpochReport[] {
    return this.#loop.position.reports;
  }

  /**
   * Goes on from a checkpoint, to the bit. Throws `TRAINER_RESUME_DIVERGED`, `TRAINER_MODEL_UNFIT`.
   * @param own Whether it is this run's: what another was to stop for, and kept for being good, is left behind.
   */
  restore(checkpoint: Checkpoint, path: string, own = true): Promise<void> {
    return restoreLoop(this.#loop, checkpoint, { path, own });
  }

  /** Throws `TRAINER_LOSS_NOT_FINITE`, `TRAINER_CALLBACK_FAILED`, or the reason of the signal. */
  async run(): Promise<LoopResult> {
    const { callbacks, average } = this.#loop;
    this.#loop.begin();
    try {
      await callbacks.call("onFitStart");
      this.#loop.profiler.lap("callbacks");
      const outcome = await this.#runEpochs();
      await this.#loop.saving.settled();
      this.#loop.profiler.lap("checkpoint");
      const bestEpoch = this.#takeFinalWeights(outcome);
      await callbacks.call("onFitEnd", { outcome });
      return this.#result(outcome, bestEpoch);
    } catch (error) {
      // The error stays what it is.
      await callbacks.call("onException", error).catch(() => {});
      throw error;
    } finally {
      // What is being written is written to its end; where it fails, there is an error already.
      await this.#loop.saving.settled().catch(() => {});
      this.#steps.dispose();
      average?.dispose();
      this.#loop.rules?.dispose();
    }
  }

  async #runEpochs(): Promise<RunOutcome> {
    const { epochs, stopping, stopWhen = {} } = this.#options;
    const loop = this.#loop;
    const { position } = loop;
    while (position.epoch < epochs) {
      if (position.stop !== undefined) return "stopped";
      if (stopping !== undefined && isOver(position.stopping, position.epoch, stopping)) return "stopped-early";
      const ended = await this.#steps.runEpoch();
      if (!ended) {
        await saveLoop(loop);
        return "stopped";
      }
      const report = await this.#endEpoch();
      if (this.#losses !== undefined) {
        const dues = loop.rules?.observeEpoch(report.step, this.#losses, loop.clock.nowMs());
        this.#losses = undefined;
        await actOnRules(loop, dues);
        loop.profiler.lap("rules");
      }
      loop.stop(stopAfterEpoch(stopWhen, { trainLoss: report.trainLoss, ...report.metrics }));
      await loop.callbacks.call("onEpochEnd", report);
      loop.profiler.lap("callbacks");
      await saveLoop(loop, report);
      if (this.#options.saveBeforeTelling === true) await loop.saving.settled();
      const verdict = await this.#options.onEpoch(report, loop.checkpoint);
      loop.profiler.lap("other");
      if (verdict !== "continue") return verdict === "pause" ? "paused" : "pruned";
    }
    return "completed";
  }

  /** @returns the epoch whose weights the model has. */
  #takeFinalWeights(outcome: RunOutcome): number {
    const { tf, ready, stopping } = this.#options;
    const { position, best, average } = this.#loop;
    if (outcome === "paused") return position.epoch;
    if (stopping?.restoreBest === true && best.length > 0) {
      writeWeights(tf, ready.model, best, "best");
      return position.stopping.bestEpoch;
    }
    average?.apply();
    return position.epoch;
  }

  #result(outcome: RunOutcome, bestEpoch: number): LoopResult {
    const { position, checkpoint, callbacks } = this.#loop;
    const { step, reports, stop, kept, lossScale } = position;
    return {
      outcome,
      stop: outcome === "stopped" ? stop : undefined,
      epochs: reports,
      bestEpoch,
      step,
      checkpoint,
      kept,
      callbackFailures: callbacks.failures,
      firedRules: this.#loop.rules?.fired ?? [],
      ...(lossScale === undefined ? {} : { lossScale }),
      rowsPerSecond: this.#steps.rowsPerSecond,
      profiler: this.#loop.profiler,
    };
  }

  async #endEpoch(): Promise<EpochReport> {
    const { validation, stopping } = this.#options;
    const loop = this.#loop;
    const { position } = loop;
    const epoch = position.epoch + 1;
    loop.average?.update("epoch", epoch);
    const report = await this.#withFinalWeights(async () => {
      const { metrics, loss } = validation === undefined ? { metrics: {} } : await this.#validate(validation);
      const trainLoss = position.lossSum / position.lossRows;
      if (loss !== undefined) this.#losses = { train: trainLoss, validation: loss };
      if (stopping !== undefined) {
        const { state, improved } = stepStopping(position.stopping, epoch, { trainLoss, ...metrics }, stopping);
        position.stopping = state;
        if (improved && stopping.restoreBest) loop.best = await readWeights(this.#options.ready.model, "best");
      }
      const skipped = position.skipped === 0 ? {} : { skipped: position.skipped };
      return { epoch, step: position.step, trainLoss, metrics, ...skipped };
    });
    position.reports.push(report);
    Object.assign(position, { epoch, batch: 0, lossSum: 0, lossRows: 0, skipped: 0, begun: false });
    loop.rate.endEpoch(position, { trainLoss: report.trainLoss, ...report.metrics });
    loop.elapse(loop.clock.monotonicMs());
    loop.profiler.lap("validation");
    return report;
  }

  /** With the averaged weights in the model, where there are some. */
  #withFinalWeights<Value>(work: () => Promise<Value>): Promise<Value> {
    const { average } = this.#loop;
    return average === undefined ? work() : average.within(work);
  }

  async #validate(
    validation: EvaluationRows,
  ): Promise<{ readonly metrics: Metrics; readonly loss?: number | undefined }> {
    const { tf, ready, task } = this.#options;
    const { labels, predictions } = await predictRows(tf, ready.model, validation);
    const metrics = metricsOf(task, { labels }, predictions);
    if (this.#loop.rules?.wantsValidation !== true) return { metrics };
    return { metrics, loss: await lossOf(tf, ready, labels, predictions) };
  }
}
