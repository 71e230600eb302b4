import type { Batch, Counter, Histogram, Tensors } from "@millwright/contracts";
import { type ModelExplainer, type OpenExplainerOptions, openExplainer } from "@millwright/model/explain";
import { type ServedCall, askServed } from "../engine/answerer.ts";
import { follow } from "../engine/following.ts";
import { merged } from "../engine/merged.ts";
import type { Prediction } from "../engine/prediction.ts";
import type { ModelCall, Next, Stage, StageSite } from "../engine/stage.ts";
import { chosenRows, wishOf } from "./chosen-rows.ts";
import { type Expression, parseExpression } from "./expression.ts";
import type { NotExplained, PredictionExplanation } from "./prediction-explanation.ts";

export interface ExplanationsOptions extends Pick<
  OpenExplainerOptions,
  "features" | "maxEvaluations" | "scale" | "seed"
> {
  /**
   * Which rows are explained where a request does not say it: all, none, or those whose answer the expression is true of, in the part of JMESPath of SageMaker
   * Clarify's `EnableExplanations`. Default: false.
   */
  readonly enabled?: boolean | string | undefined;
  /** Whether requests may say it themselves: `explain`, the header `X-Amzn-SageMaker-Enable-Explanations`, a parameter of the body. Default: true. */
  readonly perRequest?: boolean | undefined;
  /** How long an explanation may take, milliseconds, beside the model's answer; a deadline of the caller's shortens it. What is not done by then is left away. Default: 100. */
  readonly timeMs?: number | undefined;
  /** Most rows of a request that are explained, the first ones. Default: 64. */
  readonly maxRows?: number | undefined;
  /** Most requests that are explained at once; others are answered without. Default: 8. */
  readonly maxConcurrent?: number | undefined;
  /** How many contributions JSON tells of a row, the largest; the rest as one number. Default: all. */
  readonly top?: number | undefined;
  /** Rows that stand for what is not known of a row. Default: the inputs of the package's golden requests; for trees none are needed. */
  readonly background?: Batch | Tensors | undefined;
}

/**
 * A stage that puts contributions of columns beside answers (`explanation`), within a budget of time: an answer never waits longer for them, and says where it
 * goes without. It stands best before the others, whatever they do. Trees, linear models and networks of one layer are explained exactly from the package's
 * files, others by asking the model in batches with its traffic. Throws a RangeError for options out of range, and for an expression that cannot be read.
 */
export function explanations(options: ExplanationsOptions = {}): Stage {
  checkOptions(options);
  const { enabled = false } = options;
  const wish: boolean | Expression = typeof enabled === "string" ? expressionOf(enabled) : enabled;
  const explaining = new Explaining(options, wish);
  return {
    name: "explanations",
    open: (site) => explaining.open(site),
    model: (call, next) => explaining.model(call, next),
  };
}

function expressionOf(text: string): Expression {
  const expression = parseExpression(text);
  if (expression !== undefined) return expression;
  throw new RangeError(`enabled is the expression ${JSON.stringify(text)}, which cannot be read.`);
}

function checkOptions({
  timeMs = 1,
  maxRows = 1,
  maxConcurrent = 1,
  maxEvaluations = 2,
  top = 1,
}: ExplanationsOptions): void {
  if (!(timeMs > 0)) throw new RangeError(`timeMs must be above 0, not ${timeMs}.`);
  if (!(maxEvaluations >= 2)) throw new RangeError(`maxEvaluations must be 2 or more, not ${maxEvaluations}.`);
  for (const [name, value] of Object.entries({ maxRows, maxConcurrent, top }))
    if (!(Number.isInteger(value) && value >= 1)) throw new RangeError(`${name} must be 1 or more, not ${value}.`);
}

interface Told {
  readonly requests: Counter;
  readonly rows: Counter;
  readonly evaluations: Counter;
  readonly seconds: Histogram;
}

const toldTo = ({ meter }: StageSite): Told => ({
  requests: meter.counter("millwright_serving_explanations_total", {
    help: "Requests that asked for explanations, by what came of it: complete, or why not.",
    labelNames: ["endpoint", "result"],
  }),
  rows: meter.counter("millwright_serving_explained_rows_total", {
    help: "Rows that were explained.",
    labelNames: ["endpoint", "method"],
  }),
  evaluations: meter.counter("millwright_serving_explanation_evaluations_total", {
    help: "Rows that models were asked to explain others.",
    labelNames: ["endpoint"],
  }),
  seconds: meter.histogram("millwright_serving_explanation_seconds", {
    help: "How long requests waited for their explanations.",
    labelNames: ["endpoint"],
    buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
  }),
});

type Served = ServedCall["served"];

class Explaining {
  readonly #options: ExplanationsOptions;
  readonly #wish: boolean | Expression;
  /** By model: made once, when it is first asked. */
  readonly #explainers = new WeakMap<Served, Promise<ModelExplainer | undefined>>();
  #site: StageSite | undefined;
  #told: Told | undefined;
  #underWay = 0;

  constructor(options: ExplanationsOptions, wish: boolean | Expression) {
    this.#options = options;
    this.#wish = wish;
  }

  open(site: StageSite): void {
    this.#site = site;
    this.#told = toldTo(site);
  }

  async model(call: ModelCall, next: Next<ModelCall>): Promise<Prediction> {
    const wish = wishOf(this.#options.perRequest === false ? undefined : call.request.explain, this.#wish);
    const { served } = call as ServedCall;
    // Its files are read before somebody waits for them.
    if (wish !== false) void this.#explainerOf(served);
    const answer = await next(call);
    if (wish === false || this.#site === undefined) return answer;
    const explanation = await this.#explain(call as ServedCall, answer, wish);
    return merged(answer, { explanation });
  }

  async #explain(call: ServedCall, answer: Prediction, wish: true | Expression): Promise<PredictionExplanation> {
    const { clock, endpoint } = this.#openedSite();
    const startMs = clock.monotonicMs();
    const { top } = this.#options;
    const explanation = { ...(await this.#within(call, answer, wish, startMs)), ...(top === undefined ? {} : { top }) };
    const { status, reason, detail } = explanation;
    this.#told?.seconds.observe((clock.monotonicMs() - startMs) / 1000, { endpoint });
    this.#told?.requests.add(1, { endpoint, result: reason ?? status });
    if (detail === undefined) return explanation;
    this.#told?.rows.add(detail.rows.length, { endpoint, method: detail.method });
    this.#told?.evaluations.add(detail.evaluations, { endpoint });
    return explanation;
  }

  async #within(
    call: ServedCall,
    answer: Prediction,
    wish: true | Expression,
    startMs: number,
  ): Promise<PredictionExplanation> {
    const { timeMs = 100, maxRows = 64, maxConcurrent = 8 } = this.#options;
    const { provenance } = answer;
    if (provenance.degraded !== undefined || provenance.model.digest !== call.model.digest) return absent("degraded");
    const asked = chosenRows(answer.outputs, call.rows, wish);
    if (asked.length === 0) return absent("not-asked");
    const { deadlineMs = Infinity } = call.request;
    // What is left is not for the explanation alone: the answer is to be written, too.
    const leftMs = Math.min(timeMs, 0.9 * (call.startMs + deadlineMs - startMs));
    if (leftMs <= 0) return absent("time");
    if (this.#underWay >= maxConcurrent) return absent("busy");
    this.#underWay += 1;
    try {
      const rows = asked.slice(0, maxRows);
      const found = await this.#raced(call, rows, leftMs);
      if (typeof found === "string" || found.rows.length === 0)
        return absent(typeof found === "string" ? found : "time");
      if (found.rows.length < rows.length) return { status: "partial", reason: "time", detail: found };
      if (rows.length < asked.length) return { status: "partial", reason: "rows", detail: found };
      return { status: "complete", detail: found };
    } finally {
      this.#underWay -= 1;
    }
  }

  /** The explanation, or why there is none. Ends in time, whatever the model does. */
  async #raced(call: ServedCall, rows: readonly number[], leftMs: number): Promise<Found> {
    const { clock } = this.#openedSite();
    const { controller, forget } = follow(call.request.signal);
    const { signal } = controller;
    const late = clock.sleep(leftMs, { signal }).then(
      (): Found => "time",
      (): Found => "time",
    );
    try {
      return await Promise.race([this.#found(call, rows, 0.9 * leftMs, signal), late]);
    } finally {
      controller.abort();
      forget();
    }
  }

  async #found(call: ServedCall, rows: readonly number[], timeMs: number, signal: AbortSignal): Promise<Found> {
    const { clock, logger, endpoint } = this.#openedSite();
    const untilMs = clock.monotonicMs() + timeMs;
    try {
      const explainer = await this.#explainerOf(call.served);
      if (explainer === undefined) return "unsupported";
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) return "time";
      const { payload } = call;
      const asked = { rows, timeMs: leftMs, signal };
      return await (payload.kind === "tensors"
        ? explainer.explain(payload.tensors, asked)
        : explainer.explainBatch(payload.batch, asked));
    } catch (error) {
      if (signal.aborted) return "time";
      logger.warn({ endpoint, requestId: call.requestId, error }, "an answer could not be explained");
      return "failed";
    }
  }

  #explainerOf(served: Served): Promise<ModelExplainer | undefined> {
    const known = this.#explainers.get(served);
    if (known !== undefined) return known;
    const { clock, logger, endpoint } = this.#openedSite();
    const { background, features, maxEvaluations, scale, seed } = this.#options;
    const { missingText } = served.model;
    const opened = openExplainer(served.resolved, {
      background,
      features,
      maxEvaluations,
      scale,
      seed,
      missingText,
      clock,
      predict: (tensors, { signal } = {}) => askServed(served, tensors, signal),
    }).catch((error: unknown) => {
      logger.warn({ endpoint, model: served.identity, error }, "the answers of a model cannot be explained");
      return undefined;
    });
    this.#explainers.set(served, opened);
    return opened;
  }

  #openedSite(): StageSite {
    if (this.#site === undefined) throw new TypeError("The stage explanations stands in no open server.");
    return this.#site;
  }
}

type Found = NotExplained | NonNullable<PredictionExplanation["detail"]>;

const absent = (reason: NotExplained): PredictionExplanation => ({ status: "absent", reason });
