import type { CapturedLabel, CapturedPrediction, CapturedTensors } from "@millwright/contracts";
import { tensorColumns } from "@millwright/data";
import type { IntakeOptions } from "./intake.ts";
import type { ParsedState, VariantState } from "./monitor-state.ts";
import { readingsSeen } from "./answer-readings.ts";
import { createLabelJoin, type LabelJoin, type LabelOutcome } from "./label-join.ts";
import { capturedRow, observationOf, observationOfBlock } from "./observe.ts";
import { BlockTable } from "./block-table.ts";
import type { SampledRow } from "./row-sample.ts";
import { TensorBlock } from "./tensor-block.ts";

/** What waits: a prediction, with whether it was drawn to be profiled and captured; a label; or many predictions that were copied together. */
export type Item = Predicted | { readonly label: CapturedLabel } | TensorBlock;

interface Predicted {
  readonly prediction: CapturedPrediction;
  readonly chosen: boolean;
}

/** Predictions and labels in it. */
export const sizeOf = (item: Item): number => (item instanceof TensorBlock ? item.requests : 1);

/** Predictions that claim to come from the future, beyond what clocks differ by, are taken for now, and captured so: who finds one again counts it where it was counted. */
const clockSkewMs = 60_000;

export function asColumns({ inputs, ...rest }: CapturedTensors): CapturedPrediction {
  const features = tensorColumns(inputs);
  return features === undefined ? rest : { ...rest, features };
}

type MutableCounts = {
  captured: number;
  outdated: number;
  failed: number;
  readonly labels: Record<LabelOutcome, number>;
};

export interface Taker {
  take(items: readonly Item[]): void;
  readonly labels: LabelJoin;
  /** Goes on from what an earlier process left, before anything else comes. Throws a `TypeError`. */
  resume(state: Pick<ParsedState, "variants" | "toldMs" | "waiting">): void;
}

/** Counts items in their order: labels after the predictions that came before them. */
export function createTaker(options: IntakeOptions, counts: MutableCounts): Taker {
  const { book, clock, logger, retainMs } = options;
  const models = createModelWatch((endpoint, variant) => {
    book.forget(endpoint, variant);
    labels.startOver(endpoint, variant);
    options.startOver(endpoint, variant);
  });
  const startedMs = clock.nowMs();
  let toldMs = Number.NEGATIVE_INFINITY;
  const labels = createLabels(options, counts, models, (timeMs) => timeMs >= startedMs || timeMs < toldMs);
  const { takePredictions, takeBlock } = createPredictionTaker(options, counts, labels, models);
  const attempt = (what: string, size: number, work: () => void): void => {
    try {
      work();
    } catch (error) {
      counts.failed += size;
      logger.warn({ items: size, error: String(error) }, `${what} could not be counted.`);
    }
  };
  const take = (items: readonly Item[]): void => {
    const nowMs = clock.nowMs();
    for (const run of runsOf(items)) {
      for (const block of run.blocks) attempt("Predictions", block.requests, () => takeBlock(block, nowMs));
      if (run.predictions.length > 0) {
        attempt("Predictions", run.predictions.length, () => takePredictions(run.predictions, nowMs));
      }
      for (const label of run.labels) attempt("A label", 1, () => labels.join(label, nowMs));
    }
    labels.forget(nowMs, retainMs, options.holdLabelsMs);
  };
  return {
    take,
    labels,
    resume({ variants, waiting, ...state }) {
      ({ toldMs } = state);
      book.resume(variants);
      for (const { endpoint, variant, model, sinceMs } of variants)
        if (model !== undefined) models.isCurrent({ endpoint, variant, model }, sinceMs);
      // Without them nobody knows which of the answers are labelled.
      const nothing = { answers: [], held: [], labelled: { hours: [], missingBeforeMs: toldMs }, readings: undefined };
      labels.restore(waiting ?? nothing, rowsByRequest(variants), readingsSeen(variants, options.quality));
    },
  };
}

const createLabels = (
  options: IntakeOptions,
  counts: MutableCounts,
  models: ModelWatch,
  isCounted: (timeMs: number) => boolean,
): LabelJoin =>
  createLabelJoin({
    book: options.book,
    quality: options.quality,
    maxWaiting: options.maxWaitingForLabels,
    maxHeld: options.maxHeldLabels,
    maxLabelled: options.maxRememberedLabels,
    redactor: options.redactor,
    retainMs: options.retainMs,
    nowMs: options.clock.nowMs,
    lookup:
      options.answers === undefined
        ? undefined
        : {
            source: options.answers,
            maxLabels: options.maxLookedUpLabels,
            logger: options.logger,
            isServed: ({ answer: { endpoint, variant, timeMs }, model }) =>
              models.isServed({ endpoint, variant, model }, timeMs),
            isCounted,
          },
    settle: (outcome) => (counts.labels[outcome] += 1),
  });

function rowsByRequest(variants: readonly VariantState[]): ReadonlyMap<string, readonly SampledRow[]> {
  const found = new Map<string, SampledRow[]>();
  for (const row of variants.flatMap(({ windows }) => windows.flatMap(({ summary }) => summary.rows?.rows ?? []))) {
    const known = found.get(row.requestId);
    if (known === undefined) found.set(row.requestId, [row]);
    else known.push(row);
  }
  return found;
}

interface PredictionTaker {
  takePredictions(predicted: readonly Predicted[], nowMs: number): void;
  takeBlock(block: TensorBlock, nowMs: number): void;
}

function createPredictionTaker(
  options: IntakeOptions,
  counts: MutableCounts,
  labels: LabelJoin,
  { isCurrent }: ModelWatch,
): PredictionTaker {
  const { book, writer, redactor, retainMs } = options;
  const timeOf = ({ timeMs }: CapturedPrediction, nowMs: number): number =>
    timeMs <= nowMs + clockSkewMs && Number.isFinite(timeMs) ? timeMs : nowMs;
  const takePredictions: PredictionTaker["takePredictions"] = (predicted, nowMs) => {
    for (const { members, timeMs } of groupsOf(predicted, (prediction) => timeOf(prediction, nowMs))) {
      const [{ prediction: first }] = members as [Predicted];
      counts.captured += members.length;
      for (const { prediction, chosen } of members)
        if (writer !== undefined && chosen) writer.offer(capturedRow(prediction, timeOf(prediction, nowMs), redactor));
      if (timeMs < nowMs - retainMs || !isCurrent(first, timeMs)) {
        counts.outdated += members.length;
        continue;
      }
      const observation = observationOf(members, redactor, book.keepsRows(first.endpoint));
      const sampled = byRequest(book.observe(first.endpoint, first.variant, timeMs, observation, first.model));
      for (const { prediction } of members) {
        options.observe?.(prediction, timeOf(prediction, nowMs));
        labels.expect(prediction, timeOf(prediction, nowMs), sampled?.get(prediction.requestId));
      }
    }
  };
  const takeBlock: PredictionTaker["takeBlock"] = (block, nowMs) => {
    const { endpoint, variant, model, timeMs } = block;
    if (block.latestMs > nowMs + clockSkewMs) {
      const each = Array.from(block.predictions(), (prediction) => ({ prediction, chosen: true }));
      return takePredictions(each, nowMs);
    }
    counts.captured += block.requests;
    const features = block.features();
    const outputs = block.outputs();
    const requestIds = block.requestIds();
    writer?.offerTable(new BlockTable(block, requestIds, features, outputs));
    if (timeMs < nowMs - retainMs || !isCurrent(block, timeMs)) {
      counts.outdated += block.requests;
      return;
    }
    const keepRows = book.keepsRows(endpoint);
    const observation = observationOfBlock(block, requestIds, { features, outputs, keepRows });
    const sampled = byRequest(book.observe(endpoint, variant, timeMs, observation, model));
    options.observeAll?.(block);
    if (!labels.wants(endpoint)) return;
    for (const prediction of block.predictions(requestIds.strings))
      labels.expect(prediction, prediction.timeMs, sampled?.get(prediction.requestId));
  };
  return { takePredictions, takeBlock };
}

function byRequest(rows: readonly SampledRow[]): ReadonlyMap<string, readonly SampledRow[]> | undefined {
  if (rows.length === 0) return undefined;
  const requests = new Map<string, SampledRow[]>();
  for (const row of rows) {
    const known = requests.get(row.requestId);
    if (known === undefined) requests.set(row.requestId, [row]);
    else known.push(row);
  }
  return requests;
}

/** How long after a change of models answers of the old one may still come in. */
const stragglersMs = 60_000;

type Answered = Pick<CapturedPrediction, "endpoint" | "variant" | "model">;

interface ModelWatch {
  /** Whether an answer is of the variant's current model, which changes with the first of a new one. */
  isCurrent(prediction: Answered, timeMs: number): boolean;
  /** The same of an answer that was found again, which changes no model. */
  isServed(prediction: Answered, timeMs: number): boolean;
}

/** What is known of a variant is known of its model: when that changes, the variant starts over. */
function createModelWatch(startOver: (endpoint: string, variant: string) => void): ModelWatch {
  const current = new Map<
    string,
    { readonly digest: string; readonly before: string | undefined; readonly sinceMs: number }
  >();
  return {
    isCurrent({ endpoint, variant, model: { digest } }, timeMs) {
      const key = JSON.stringify([endpoint, variant]);
      const known = current.get(key);
      if (known?.digest === digest) return true;
      if (known?.before === digest && timeMs < known.sinceMs + stragglersMs) return false;
      current.set(key, { digest, before: known?.digest, sinceMs: timeMs });
      if (known !== undefined) startOver(endpoint, variant);
      return true;
    },
    isServed({ endpoint, variant, model: { digest } }, timeMs) {
      const key = JSON.stringify([endpoint, variant]);
      const known = current.get(key);
      if (known === undefined) current.set(key, { digest, before: undefined, sinceMs: timeMs });
      return known === undefined || known.digest === digest;
    },
  };
}

interface Run {
  readonly blocks: TensorBlock[];
  readonly predictions: Predicted[];
  readonly labels: CapturedLabel[];
}

/** Cuts the items into runs of predictions followed by labels. */
function runsOf(items: readonly Item[]): readonly Run[] {
  const runs: Run[] = [];
  for (const item of items) {
    let run = runs.at(-1);
    if (run === undefined || (!("label" in item) && run.labels.length > 0)) {
      run = { blocks: [], predictions: [], labels: [] };
      runs.push(run);
    }
    if ("label" in item) run.labels.push(item.label);
    else if ("prediction" in item) run.predictions.push(item);
    else run.blocks.push(item);
  }
  return runs;
}

const groupMs = 1000;

function groupsOf(
  predicted: readonly Predicted[],
  timeOf: (prediction: CapturedPrediction) => number,
): readonly { readonly members: readonly Predicted[]; readonly timeMs: number }[] {
  const groups = new Map<string, { readonly members: Predicted[]; readonly timeMs: number }>();
  for (const each of predicted) {
    const { prediction } = each;
    const timeMs = timeOf(prediction);
    const key = `${Math.floor(timeMs / groupMs)} ${prediction.endpoint.length} ${prediction.endpoint} ${prediction.variant} ${prediction.model.digest}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { members: [each], timeMs });
    else group.members.push(each);
  }
  return [...groups.values()];
}
