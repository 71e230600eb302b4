import type { CapturedLabel, CapturedPrediction, Clock, Logger, Meter, Random, Redactor } from "@millwright/contracts";
import type { CaptureBuffer } from "./capture-writer.ts";
import { createLabelJoin, type LabelOutcome } from "./label-join.ts";
import type { MonitorCounts } from "./monitor.ts";
import { capturedRow, observationOf } from "./observe.ts";
import type { QualityOptions } from "./quality.ts";
import type { WindowBook } from "./window-book.ts";

type Item = { readonly prediction: CapturedPrediction } | { readonly label: CapturedLabel };

export interface IntakeOptions {
  readonly book: WindowBook;
  readonly writer: CaptureBuffer | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly retainMs: number;
  readonly quality: Readonly<Record<string, QualityOptions>>;
  readonly redactor: Redactor | undefined;
  readonly sampleShare: number;
  readonly maxQueue: number;
  readonly maxWaitingForLabels: number;
  readonly holdLabelsMs: number;
  readonly maxHeldLabels: number;
  readonly random: Random;
  /** Told of every prediction, with the time it counts for. */
  readonly observe: (prediction: CapturedPrediction, timeMs: number) => void;
  /** Told when a variant begins to serve another model. */
  readonly startOver: (endpoint: string, variant: string) => void;
}

/** The way from the request path to the windows: a queue that drops when it is full, and is emptied behind the request's back. */
export interface Intake {
  offer(item: Item): void;
  /** Counts all that waits, now. */
  drain(): void;
  counts(): Omit<MonitorCounts, "rowsWritten" | "rowsDropped">;
}

/** As many are counted in one turn of the event loop when nobody asked for all. */
const itemsPerTurn = 1024;
/** Predictions that claim to come from the future, beyond what clocks differ by, are taken for now. */
const clockSkewMs = 60_000;

export function createIntake(options: IntakeOptions): Intake {
  const { maxQueue, logger, meter } = options;
  let queue: Item[] = [];
  let scheduled = false;
  const counts = {
    captured: 0,
    dropped: 0,
    failed: 0,
    labels: { joined: 0, corrected: 0, superseded: 0, unmatched: 0, invalid: 0 },
  };
  const taken = meter.counter("millwright_monitor_items_total", {
    help: "Predictions and labels by what became of them.",
    labelNames: ["outcome"],
  });
  const { take, held } = createTaker(options, counts);
  const turn = (): void => {
    scheduled = false;
    const items = queue.splice(0, itemsPerTurn);
    take(items);
    if (queue.length > 0) schedule();
  };
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    // Whoever ends the process disposes the monitor, and that counts the rest: the queue must not keep a process alive.
    setImmediate(turn).unref();
  };
  return {
    offer(item) {
      if (queue.length >= maxQueue) {
        counts.dropped += 1;
        if (counts.dropped === 1) logger.warn({ maxQueue }, "The monitor's queue is full; predictions are dropped.");
        taken.add(1, { outcome: "dropped" });
        return;
      }
      queue.push(item);
      schedule();
    },
    drain() {
      const items = queue;
      queue = [];
      take(items);
    },
    counts: () => ({ ...counts, labels: { ...counts.labels, held: held() } }),
  };
}

type MutableCounts = {
  captured: number;
  failed: number;
  readonly labels: Record<LabelOutcome, number>;
};

interface Taker {
  take(items: readonly Item[]): void;
  /** Labels that wait for their predictions. */
  held(): number;
}

/** Counts items in their order: labels after the predictions that came before them. */
function createTaker(options: IntakeOptions, counts: MutableCounts): Taker {
  const { book, writer, clock, logger, redactor, sampleShare, random, retainMs } = options;
  const labels = createLabelJoin({
    book,
    quality: options.quality,
    maxWaiting: options.maxWaitingForLabels,
    maxHeld: options.maxHeldLabels,
    settle: (outcome) => (counts.labels[outcome] += 1),
  });
  const isCurrent = createModelWatch((endpoint, variant) => {
    book.forget(endpoint, variant);
    options.startOver(endpoint, variant);
  });
  const timeOf = ({ timeMs }: CapturedPrediction, nowMs: number): number =>
    timeMs <= nowMs + clockSkewMs && Number.isFinite(timeMs) ? timeMs : nowMs;
  const takePredictions = (predictions: readonly CapturedPrediction[], nowMs: number): void => {
    const groups = groupsOf(predictions, (prediction) => timeOf(prediction, nowMs));
    for (const { members, timeMs } of groups) {
      const [first] = members as [CapturedPrediction];
      counts.captured += members.length;
      if (timeMs < nowMs - retainMs || !isCurrent(first, timeMs)) continue;
      const chosen = new Set(members.filter(() => sampleShare >= 1 || random.next() < sampleShare));
      book.observe(
        first.endpoint,
        first.variant,
        timeMs,
        observationOf(members, (each) => chosen.has(each), redactor),
      );
      for (const member of members) {
        options.observe(member, timeOf(member, nowMs));
        labels.expect(member, timeOf(member, nowMs));
        if (writer !== undefined && chosen.has(member)) writer.offer(capturedRow(member, redactor));
      }
    }
  };
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
      if (run.predictions.length > 0) {
        attempt("Predictions", run.predictions.length, () => takePredictions(run.predictions, nowMs));
      }
      for (const label of run.labels) attempt("A label", 1, () => labels.join(label, nowMs));
    }
    labels.forget(nowMs - retainMs, nowMs - options.holdLabelsMs);
  };
  return { take, held: () => labels.held };
}

/** How long after a change of models answers of the old one may still come in. */
const stragglersMs = 60_000;

/**
 * What is known of a variant is known of its model: when that changes, the variant starts over.
 * @returns a check that says whether an answer is of the variant's current model.
 */
function createModelWatch(
  startOver: (endpoint: string, variant: string) => void,
): (prediction: CapturedPrediction, timeMs: number) => boolean {
  const current = new Map<
    string,
    { readonly digest: string; readonly before: string | undefined; readonly sinceMs: number }
  >();
  return ({ endpoint, variant, model: { digest } }, timeMs) => {
    const key = JSON.stringify([endpoint, variant]);
    const known = current.get(key);
    if (known?.digest === digest) return true;
    if (known?.before === digest && timeMs < known.sinceMs + stragglersMs) return false;
    current.set(key, { digest, before: known?.digest, sinceMs: timeMs });
    if (known !== undefined) startOver(endpoint, variant);
    return true;
  };
}

/** Cuts the items into runs of predictions followed by labels. */
function runsOf(
  items: readonly Item[],
): readonly { readonly predictions: CapturedPrediction[]; readonly labels: CapturedLabel[] }[] {
  const runs: { readonly predictions: CapturedPrediction[]; readonly labels: CapturedLabel[] }[] = [];
  for (const item of items) {
    let run = runs.at(-1);
    if (run === undefined || ("prediction" in item && run.labels.length > 0)) {
      run = { predictions: [], labels: [] };
      runs.push(run);
    }
    if ("prediction" in item) run.predictions.push(item.prediction);
    else run.labels.push(item.label);
  }
  return runs;
}

const groupMs = 1000;

function groupsOf(
  predictions: readonly CapturedPrediction[],
  timeOf: (prediction: CapturedPrediction) => number,
): readonly { readonly members: readonly CapturedPrediction[]; readonly timeMs: number }[] {
  const groups = new Map<string, { readonly members: CapturedPrediction[]; readonly timeMs: number }>();
  for (const prediction of predictions) {
    const timeMs = timeOf(prediction);
    const key = `${Math.floor(timeMs / groupMs)} ${prediction.endpoint.length} ${prediction.endpoint} ${prediction.variant} ${prediction.model.digest}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { members: [prediction], timeMs });
    else group.members.push(prediction);
  }
  return [...groups.values()];
}
