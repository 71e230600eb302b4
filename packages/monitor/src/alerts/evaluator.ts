import type { Alert, Clock, Gauge, Logger, Meter } from "@millwright/contracts";
import { boundSeries } from "../metrics/instruments.ts";
import { within } from "./alert-teller.ts";
import type { Alerting } from "./alert-control.ts";
import { isBelow, type RuleFindings } from "./alert-record.ts";
import { type AlertRule, type MonitorView, readingOf, type VariantReading } from "./alert-rule.ts";
import type { EventOutbox } from "./monitor-events.ts";
import { measuredSeries } from "./objective-gauges.ts";
import { createObjectiveWatch, type ObjectiveWatch, type ObjectiveWatchOptions } from "./objective-watch.ts";
import { type Slo, subjectOf } from "../slo/slo.ts";
import type { AnsweringModel, WindowBook } from "../capture/window-book.ts";

export interface EvaluatorOptions extends Pick<ObjectiveWatchOptions, "screenOf"> {
  readonly book: WindowBook;
  readonly alerting: Alerting;
  readonly outbox: EventOutbox;
  readonly slos: readonly Slo[];
  readonly rules: readonly AlertRule[];
  readonly logger: Logger;
  readonly meter: Meter;
  readonly clock: Clock;
}

/** Turns counts and windows into alerts and events. */
export interface Evaluator extends Pick<
  ObjectiveWatch,
  "observe" | "observeAll" | "count" | "objectives" | "put" | "resume"
> {
  slo: ObjectiveWatch["read"];
  /** Ends what is known of a variant: it serves another model. */
  startOver(endpoint: string, variant: string): void;
  evaluate(nowMs: number): Promise<readonly Alert[]>;
  flush(): Promise<void>;
  /** Sets gauges a last time; after the last evaluation. */
  close(): void;
}

export function createEvaluator(options: EvaluatorOptions): Evaluator {
  const { book, alerting, outbox, rules, logger, meter, clock } = options;
  const measured = meter.gauge("millwright_monitor_finding", {
    help: "What a rule or objective measured last.",
    labelNames: measuredLabels,
    maxSeries: mostOfRules + 1 + measuredSeries(options.slos),
  });
  const measure = measurerOf(measured);
  const watch = createObjectiveWatch({ ...options, measured });
  const evaluate = async (nowMs: number): Promise<readonly Alert[]> => {
    book.compact(nowMs);
    await prepareRules(rules, clock, logger);
    await alerting.prepare(nowMs);
    // From here to the alerts nothing is waited for: what is found is of one moment.
    const found = watch.find(nowMs, alerting.openRules());
    const view = viewOf(book, nowMs);
    const ruled = rules.map((rule) => evaluateRule(rule, view, logger));
    measure(ruled);
    const modelOf = createModelFinder(book);
    const all = [...found, ...ruled].map((each) => withModels(each, modelOf));
    await alerting.apply(all, nowMs, watch.burnOf);
    return alerting.book.all();
  };
  let turn: Promise<unknown> = Promise.resolve();
  return {
    observe: watch.observe,
    observeAll: watch.observeAll,
    count: watch.count,
    slo: watch.read,
    objectives: watch.objectives,
    put: watch.put,
    resume: watch.resume,
    startOver(endpoint, variant) {
      alerting.drop(subjectOf(endpoint, variant), "The variant serves another model now.");
    },
    evaluate(nowMs) {
      // One at a time: what an evaluation found is shown before the next begins.
      const evaluated = turn.then(() => evaluate(nowMs));
      turn = evaluated.catch(() => {});
      return evaluated;
    },
    flush: outbox.flush,
    close: watch.close,
  };
}

const measuredLabels = ["rule", "subject"];
/** Rules are bounded by themselves, so that objectives always have their series. */
const mostOfRules = 1000;

function measurerOf(measured: Gauge): (ruled: readonly RuleFindings[]) => void {
  const series = boundSeries(measuredLabels, { most: mostOfRules });
  return (ruled) => {
    for (const { rule, findings = [] } of ruled)
      for (const { subject, value } of findings)
        if (value !== undefined) measured.set(value, series({ rule, subject }));
  };
}

const longestWaitMs = 1_000;

/** What a rule could not read in time it reads the next time. */
async function prepareRules(rules: readonly AlertRule[], clock: Clock, logger: Logger): Promise<void> {
  const prepared = rules.filter(({ prepare }) => prepare !== undefined);
  if (prepared.length === 0) return;
  const stopped = new AbortController();
  const work = prepared.map(async (rule) => {
    try {
      await rule.prepare?.({ signal: stopped.signal });
    } catch (error) {
      logger.warn({ rule: rule.name, error: String(error) }, "An alert rule could not read what it needs.");
    }
  });
  await within(longestWaitMs, Promise.all(work), clock);
  stopped.abort();
}

function evaluateRule(rule: AlertRule, view: MonitorView, logger: Logger): RuleFindings {
  try {
    return { rule: rule.name, findings: rule.evaluate(view) };
  } catch (error) {
    logger.error({ rule: rule.name, error: String(error) }, "An alert rule failed; its alerts stay as they are.");
    return { rule: rule.name, findings: undefined };
  }
}

/** Says which model answered for the subject of each finding, where its rule does not. */
const withModels = ({ rule, findings }: RuleFindings, modelOf: ModelFinder): RuleFindings => ({
  rule,
  findings: findings?.map((finding) => {
    const model = finding.evidence?.model ?? modelOf(finding.subject);
    return model === undefined ? finding : { ...finding, evidence: { ...finding.evidence, model } };
  }),
});

type ModelFinder = (subject: string) => AnsweringModel | undefined;

/** Finds the model of the variant; of an endpoint, that of all its variants, where it is one. */
function createModelFinder(book: WindowBook): ModelFinder {
  let order: ReadonlyMap<string, number> | undefined;
  const endpointOf = (subject: string): string | undefined => {
    order ??= new Map(book.endpoints().map((endpoint, at) => [subjectOf(endpoint), at]));
    let found: string | undefined;
    // Names may hold slashes: of several endpoints that the subject is below, the one that was seen first.
    for (let end = subject.length; end > 0; end = subject.lastIndexOf("/", end - 1)) {
      const above = subject.slice(0, end);
      const [at, best] = [order.get(above), found === undefined ? undefined : order.get(found)];
      if (at !== undefined && !((best ?? at) < at)) found = above;
    }
    return found?.slice(subjectOf("").length);
  };
  return (subject) => {
    const endpoint = endpointOf(subject);
    if (endpoint === undefined) return undefined;
    const variants = book.variants(endpoint);
    const variant = variants.find((each) => isBelow(subject, subjectOf(endpoint, each)));
    if (variant !== undefined) return book.model(endpoint, variant);
    const models = variants.map((each) => book.model(endpoint, each));
    return models.every((each) => each?.digest === models[0]?.digest) ? models[0] : undefined;
  };
}

function viewOf(book: WindowBook, nowMs: number): MonitorView {
  // Rules of one evaluation ask for the same windows again and again.
  const known = new Map<string, VariantReading>();
  return {
    nowMs,
    endpoints: book.endpoints,
    variants: book.variants,
    model: book.model,
    read(endpoint, variant, windowMs, untilMs = nowMs + 1) {
      const key = JSON.stringify([endpoint, variant, windowMs, untilMs]);
      let reading = known.get(key);
      if (reading === undefined) {
        const summary = book.read(endpoint, variant, Math.min(nowMs, untilMs) - windowMs, untilMs);
        reading = readingOf(summary);
        known.set(key, reading);
      }
      return reading;
    },
  };
}
