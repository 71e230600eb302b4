import {
  type Clock,
  type Logger,
  type Random,
  createRandom,
  hashSeed,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import { entityKey, pickVariant } from "../engine/routing.ts";
import type { RequestCall, Stage } from "../engine/stage.ts";
import type { ExperimentLog, ExperimentRecord } from "./experiment-log.ts";
import { type ExperimentReport, reportOf } from "./experiment-report.ts";
import { ExperimentState } from "./experiment-state.ts";
import { thompsonArm } from "./thompson.ts";

/** A variant of the endpoint and its share of the units. */
export interface ExperimentArm {
  readonly variant: string;
  /** Relative to the other arms'. */
  readonly weight: number;
}

/** A figure of a unit: the sum of what is told of it, 0 until then. */
export interface ExperimentMetric {
  readonly name: string;
  /** What the experiment is about, or what it must not harm. */
  readonly role: "goal" | "guardrail";
  readonly better: "higher" | "lower";
  /** The size of effect that the test is sharpest for, in the metric's unit. Default: a tenth of its standard deviation. */
  readonly scale?: number | undefined;
}

export interface ExperimentOptions {
  readonly name: string;
  /** By name; the first is the control. */
  readonly arms: Readonly<Record<string, ExperimentArm>>;
  readonly metrics: readonly ExperimentMetric[];
  /** Who is assigned, a user or an account: the same unit always meets the same arm. `undefined` takes no part. Default: the sticky key, else the first entity's keys. */
  readonly unit?: ((call: RequestCall) => string | undefined) | undefined;
  /** Another salt assigns anew, independently. Default: the name. */
  readonly salt?: string | undefined;
  /** What is known of a unit before it is exposed and goes with the metrics: CUPED takes its part of the noise out. */
  readonly covariate?: ((call: RequestCall) => number | undefined) | undefined;
  /** Probability, over all looks, of a difference found where there is none; shared equally among comparisons. Default: 0.05. */
  readonly alpha?: number | undefined;
  /** Assigns new units to the arm that a draw of its posterior says is best, by this metric in [0, 1], instead of by weight. */
  readonly bandit?: { readonly metric: string; readonly seed?: number | undefined } | undefined;
  /** Where exposures and outcomes are kept, and read back when the server opens. Default: nowhere. */
  readonly log?: ExperimentLog | undefined;
  /** How often they are written, milliseconds: what a crash may lose. Default: 1000. */
  readonly flushMs?: number | undefined;
}

export interface ExperimentOutcome {
  readonly unit: string;
  readonly metric: string;
  readonly value: number;
}

/** An A/B experiment among variants of an endpoint. */
export interface Experiment {
  /** For `stages` of the endpoint whose variants the arms name. */
  readonly stage: Stage;
  /** The arm that a unit has, or would have by weight. */
  armOf(unit: string): string;
  /** Joins a figure to the unit it is of; units that were never exposed do not count. Never throws. */
  outcome(outcome: ExperimentOutcome): void;
  /** What is known now; valid however often it is asked. */
  report(): ExperimentReport;
}

/** Makes an experiment; nothing is assigned before its stage stands in an endpoint. */
export function createExperiment(options: ExperimentOptions): Experiment {
  checkExperiment(options);
  return new OpenExperiment(options);
}

function checkExperiment({ name, arms, metrics, alpha = 0.05, bandit, flushMs = 1000 }: ExperimentOptions): void {
  if (typeof name !== "string" || name === "") throw new TypeError("An experiment has a name.");
  const entries = Object.entries(arms);
  if (entries.length < 2) throw new RangeError(`The experiment "${name}" needs two arms or more.`);
  if (!entries.every(([, { weight, variant }]) => weight > 0 && Number.isFinite(weight) && typeof variant === "string"))
    throw new RangeError(`The arms of "${name}" name a variant and a weight over 0.`);
  if (
    !Array.isArray(metrics) ||
    metrics.length === 0 ||
    new Set(metrics.map((metric) => metric.name)).size !== metrics.length
  )
    throw new RangeError(`The experiment "${name}" needs metrics with names of their own.`);
  if (!(alpha > 0 && alpha < 0.5)) throw new RangeError(`\`alpha\` must be in (0, 0.5), not ${alpha}.`);
  if (!(flushMs > 0)) throw new RangeError(`\`flushMs\` must be over 0, not ${flushMs}.`);
  if (bandit !== undefined && !metrics.some((metric) => metric.name === bandit.metric))
    throw new RangeError(`The bandit of "${name}" goes by one of its metrics.`);
}

class OpenExperiment implements Experiment {
  readonly stage: Stage;
  readonly #options: ExperimentOptions;
  readonly #state: ExperimentState;
  readonly #random: Random;
  #clock: Clock = systemClock;
  #logger: Logger = silentLogger;
  /** This process among those that share the log. */
  #process = "";
  /** How far the log was read. */
  #readAt = 0;
  #pending: ExperimentRecord[] = [];
  #writing: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();

  constructor(options: ExperimentOptions) {
    this.#options = options;
    this.#state = new ExperimentState(options.metrics.map(({ name }) => name));
    this.#random = createRandom(options.bandit?.seed ?? 0);
    this.stage = {
      name: `experiment ${options.name}`,
      open: async ({ clock, logger, ids }) => {
        this.#clock = clock;
        this.#logger = logger;
        this.#process = ids.next();
        await this.#open();
      },
      request: (call, next) => next(this.#assigned(call)),
      close: async () => {
        this.#closing.abort();
        await this.#flush();
      },
    };
  }

  armOf(unit: string): string {
    const { arms, salt, name } = this.#options;
    const shares = Object.entries(arms).map(([arm, { weight }]) => ({ name: arm, weight }));
    const known = this.#state.armOf(unit);
    // An arm that is gone since is assigned anew.
    if (known !== undefined && Object.hasOwn(arms, known)) return known;
    return (pickVariant(shares, String(unit), hashSeed(salt ?? name)) as { readonly name: string }).name;
  }

  outcome(outcome: ExperimentOutcome): void {
    if (outcome === null || typeof outcome !== "object") return;
    const { unit, metric, value } = outcome;
    if (typeof unit !== "string" || typeof metric !== "string" || typeof value !== "number") return;
    this.#take({ kind: "outcome", unit, metric, value });
  }

  report(): ExperimentReport {
    return reportOf(this.#options, this.#state);
  }

  async #open(): Promise<void> {
    const { log, name, flushMs = 1000 } = this.#options;
    if (log === undefined) return;
    if (log.since === undefined)
      for await (const records of log.read(name)) for (const record of records) this.#state.takeLogged(record, false);
    await this.#follow();
    const { signal } = this.#closing;
    void (async () => {
      while (!signal.aborted) {
        await this.#clock.sleep(flushMs, { signal }).catch(() => {});
        if (signal.aborted) return;
        await this.#flush();
        await this.#follow().catch((error: unknown) =>
          this.#logger.warn({ experiment: name, error }, "the exposures of other processes could not be read"),
        );
      }
    })();
  }

  /** Learns of what other processes have written. */
  async #follow(): Promise<void> {
    const { log, name } = this.#options;
    while (log?.since !== undefined) {
      const { records, at } = await log.since(name, this.#readAt);
      for (const record of records) this.#state.takeLogged(record, record.by === this.#process);
      if (at === this.#readAt) return;
      this.#readAt = at;
    }
  }

  /** The call for the variant of its unit's arm; as it was where it takes no part. */
  #assigned(call: RequestCall): RequestCall {
    const { arms, unit = unitOf, covariate } = this.#options;
    const { request, requestId } = call;
    const key = request.variant === undefined ? unit(call) : undefined;
    if (key === undefined) return call;
    const arm = this.#state.armOf(key) ?? this.#armOfNew(key);
    this.#take({
      kind: "exposure",
      unit: key,
      arm,
      requestId,
      timeMs: this.#clock.nowMs(),
      covariate: covariate?.(call),
    });
    const variant = arms[arm]?.variant ?? arms[this.armOf(key)]?.variant;
    return { ...call, request: { ...request, variant } };
  }

  #armOfNew(unit: string): string {
    const { arms, bandit } = this.#options;
    if (bandit === undefined) return this.armOf(unit);
    const names = Object.keys(arms);
    const rewards = names.map((arm) => {
      const { units, y } = this.#state.moments(arm, bandit.metric);
      return { units, sum: Math.min(units, Math.max(0, y)) };
    });
    return names[thompsonArm(rewards, this.#random)] as string;
  }

  #take(record: ExperimentRecord): void {
    const { log } = this.#options;
    const taken = this.#state.take(record);
    if (log === undefined) return;
    if (taken) this.#pending.push({ ...record, by: this.#process });
    // Another process may have exposed the unit: whoever knows it counts the figure once it is read back.
    else if (log.since !== undefined && record.kind === "outcome" && this.#state.counts(record))
      this.#pending.push({ ...record, timeMs: this.#clock.nowMs() });
  }

  /** What cannot be written is tried again with what comes next. */
  #flush(): Promise<void> {
    const { log, name } = this.#options;
    this.#writing = this.#writing.then(async () => {
      const records = this.#pending;
      if (log === undefined || records.length === 0) return;
      this.#pending = [];
      try {
        await log.append(name, records);
      } catch (error) {
        this.#pending = [...records, ...this.#pending];
        this.#logger.warn({ experiment: name, error }, "exposures could not be written; trying again");
      }
    });
    return this.#writing;
  }
}

const unitOf = ({ request: { stickyKey, entities } }: RequestCall): string | undefined =>
  stickyKey ?? entityKey(entities);
