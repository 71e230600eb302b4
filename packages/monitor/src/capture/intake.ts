import type {
  CapturedLabel,
  CapturedPrediction,
  CapturedTensors,
  Clock,
  Logger,
  Meter,
  Random,
  Redactor,
} from "@millwright/contracts";
import type { CaptureBuffer } from "./capture-writer.ts";
import type { MonitorCounts } from "../monitor-options.ts";
import type { QualityOptions } from "../quality/quality.ts";
import type { AnswerSource } from "./answer-lookup.ts";
import type { HeldLabel } from "./early-labels.ts";
import type { ParsedState } from "./monitor-state.ts";
import { asColumns, createTaker, type Item, sizeOf } from "./taker.ts";
import { createOpenBlocks } from "./open-blocks.ts";
import { TensorBlock } from "./tensor-block.ts";
import type { WaitingState } from "./waiting-json.ts";
import type { WindowBook } from "./window-book.ts";

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
  readonly maxRememberedLabels: number;
  readonly maxLookedUpLabels: number;
  readonly answers: AnswerSource | undefined;
  readonly random: Random;
  /** Told of every prediction, with the time it counts for. Default: nobody is. */
  readonly observe: ((prediction: CapturedPrediction, timeMs: number) => void) | undefined;
  /** As `observe`, of all requests of a block. */
  readonly observeAll: ((block: TensorBlock) => void) | undefined;
  /** Told when a variant begins to serve another model. */
  readonly startOver: (endpoint: string, variant: string) => void;
}

/** The way from the request path to the windows: a queue that drops when it is full, and is emptied behind the request's back. */
export interface Intake {
  predict(prediction: CapturedPrediction): void;
  predictTensors(prediction: CapturedTensors): void;
  label(label: CapturedLabel): void;
  /** Counts all that waits, now. */
  drain(): void;
  counts(): Omit<MonitorCounts, "rowsWritten" | "rowsDropped">;
  /** What labels need after a restart, of answers of `fromMs` and later. */
  waiting(fromMs: number): WaitingState;
  /** Goes on from what an earlier process left, before anything else comes. Throws a `TypeError`. */
  resume(state: Pick<ParsedState, "variants" | "toldMs" | "waiting">): void;
  /** Ends the look-ups of answers that are under way. */
  finishLookups(): Promise<void>;
  /** Ends those that go on. */
  stopLookups(): void;
  /** Takes labels that another process holds for answers that wait here. */
  deliver(held: readonly HeldLabel[]): void;
}

/** As many are counted in one turn of the event loop when nobody asked for all. */
const itemsPerTurn = 1024;
/** How long tensors are gathered before they are counted together: most of what counting costs, it costs once for all. */
const gatherMs = 100;

export function createIntake(options: IntakeOptions): Intake {
  const { maxQueue, logger, meter, redactor, sampleShare, random } = options;
  const counts = {
    captured: 0,
    outdated: 0,
    dropped: 0,
    failed: 0,
    labels: { joined: 0, corrected: 0, duplicated: 0, superseded: 0, unmatched: 0, forgotten: 0, invalid: 0 },
  };
  const taken = meter.counter("millwright_monitor_items_total", {
    help: "Predictions and labels by what became of them.",
    labelNames: ["outcome"],
  });
  const { take, labels, resume } = createTaker(options, counts);
  const queue = createQueue(take);
  const full = (): boolean => {
    if (queue.waiting < maxQueue) return false;
    counts.dropped += 1;
    if (counts.dropped === 1) logger.warn({ maxQueue }, "The monitor's queue is full; predictions are dropped.");
    taken.add(1, { outcome: "dropped" });
    return true;
  };
  const isChosen = (): boolean => sampleShare >= 1 || random.next() < sampleShare;
  return {
    predict(prediction) {
      if (!full()) queue.push({ prediction, chosen: isChosen() });
    },
    predictTensors(prediction) {
      if (full()) return;
      const chosen = isChosen();
      try {
        if (chosen && redactor === undefined && queue.gather(prediction)) return;
        queue.push({ prediction: asColumns(prediction), chosen });
      } catch (error) {
        counts.failed += 1;
        logger.warn({ items: 1, error: String(error) }, "A prediction could not be taken.");
      }
    },
    label(label) {
      if (!full()) queue.push({ label });
    },
    drain: queue.drain,
    counts: () => ({ ...counts, labels: { ...counts.labels, held: labels.held } }),
    waiting: labels.state,
    resume,
    deliver: labels.deliver,
    finishLookups: labels.finishLookups,
    stopLookups: labels.stopLookups,
  };
}

interface Queue {
  /** Predictions and labels that wait. */
  readonly waiting: number;
  push(item: Item): void;
  /** Copies a prediction to others of its kind. @returns false for what must be pushed. */
  gather(prediction: CapturedTensors): boolean;
  drain(): void;
}

/** Keeps items in their order, as far as that matters: labels after the predictions that came before them. Predictions may overtake labels, which would be held for them. */
function createQueue(take: (items: readonly Item[]) => void): Queue {
  let queue: Item[] = [];
  const blocks = createOpenBlocks();
  let waiting = 0;
  let soon = false;
  let later: NodeJS.Timeout | undefined;
  const count = (items: readonly Item[]): void => {
    waiting -= items.reduce((sum, item) => sum + sizeOf(item), 0);
    const closed = items.filter((item) => item instanceof TensorBlock);
    blocks.close(closed);
    take(items);
    blocks.reuse(closed);
  };
  const turn = (): void => {
    soon = false;
    let some = 0;
    let end = 0;
    while (end < queue.length && some < itemsPerTurn) some += sizeOf(queue[end++] as Item);
    count(queue.splice(0, end));
    if (queue.length > 0) schedule();
  };
  // Whoever ends the process disposes the monitor, and that counts the rest: the queue must not keep a process alive.
  const schedule = (): void => {
    if (soon) return;
    soon = true;
    setImmediate(turn).unref();
  };
  const ripe = (): void => {
    later = undefined;
    if (queue.length > 0) turn();
  };
  return {
    get waiting() {
      return waiting;
    },
    push(item) {
      queue.push(item);
      waiting += 1;
      schedule();
    },
    gather(prediction) {
      const taken = blocks.add(prediction);
      if (taken === false) return false;
      if (taken !== true) {
        queue.push(taken);
        later ??= setTimeout(ripe, gatherMs).unref();
      }
      waiting += 1;
      return true;
    },
    drain() {
      const items = queue;
      queue = [];
      count(items);
    },
  };
}
