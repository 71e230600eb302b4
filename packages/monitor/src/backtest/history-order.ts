import { abortable, type CapturedLabel, type CapturedPrediction } from "@millwright/contracts";
import { backtestInvalid } from "../errors.ts";
import { type HistoryAnswer, replayedAnswer } from "./replayed-answer.ts";

/** What happened, each in the order of its time. */
export interface RuleHistory {
  /** Such as `log.rows()`, `readArrowCapture`, or answers of one's own; by the time of the request. */
  readonly answers: AsyncIterable<HistoryAnswer> | Iterable<HistoryAnswer>;
  /** By the time at which they became known. Default: none. */
  readonly labels?: AsyncIterable<CapturedLabel> | Iterable<CapturedLabel> | undefined;
}

export type HistoryItem =
  | { readonly timeMs: number; readonly answer: CapturedPrediction }
  | { readonly timeMs: number; readonly label: CapturedLabel };

interface Lane {
  next(): Promise<HistoryItem | undefined>;
  close(): Promise<void>;
}

/**
 * Answers and labels in the order of time; of one time, answers first. What comes up to `disorderMs` late counts for the latest time before it, as it would
 * have for a monitor. Throws `MONITOR_BACKTEST_INVALID` for what comes later, or cannot be read, and what reading throws.
 */
export async function* inOrder(
  { answers, labels = [] }: RuleHistory,
  disorderMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<HistoryItem, void, undefined> {
  const toAnswer = (each: HistoryAnswer, index: number): HistoryItem => {
    const answer = replayedAnswer(each, index);
    return { timeMs: answer.timeMs, answer };
  };
  const lanes = [laneOf("answer", answers, toAnswer, disorderMs, signal)];
  lanes.push(laneOf("label", labels, toLabel, disorderMs, signal));
  try {
    const [first, second] = lanes as [Lane, Lane];
    let answer = await first.next();
    let label = await second.next();
    while (answer !== undefined || label !== undefined) {
      if (answer !== undefined && !(label !== undefined && label.timeMs < answer.timeMs)) {
        yield answer;
        answer = await first.next();
      } else {
        yield label as HistoryItem;
        label = await second.next();
      }
    }
  } finally {
    for (const lane of lanes) await lane.close();
  }
}

function toLabel(label: CapturedLabel, index: number): HistoryItem {
  if (typeof label !== "object" || label === null || typeof label.requestId !== "string")
    throw backtestInvalid(`label ${index} has no requestId`);
  if (!Number.isFinite(label.timeMs)) throw backtestInvalid(`timeMs of label ${index} is no number of milliseconds`);
  return { timeMs: label.timeMs, label };
}

function laneOf<Given>(
  what: string,
  given: AsyncIterable<Given> | Iterable<Given>,
  toItem: (each: Given, index: number) => HistoryItem,
  disorderMs: number,
  signal: AbortSignal | undefined,
): Lane {
  const iterator = iteratorOf(what, given);
  let index = 0;
  let latestMs = Number.NEGATIVE_INFINITY;
  let over = false;
  return {
    async next() {
      if (over) return undefined;
      const { done = false, value } = await abortable(Promise.resolve(iterator.next()), signal);
      over = done;
      if (done) return undefined;
      const item = toItem(value as Given, index);
      if (item.timeMs < latestMs - disorderMs)
        throw backtestInvalid(
          `${what} ${index} is of ${latestMs - item.timeMs} ms before one that came earlier, and disorderMs is ${disorderMs}`,
        );
      index += 1;
      latestMs = Math.max(latestMs, item.timeMs);
      return { ...item, timeMs: latestMs };
    },
    async close() {
      if (over) return;
      over = true;
      // A reader that hangs would hold up who aborted.
      const closed = Promise.resolve(iterator.return?.());
      if (signal?.aborted === true) closed.catch(() => {});
      else await closed;
    },
  };
}

function iteratorOf<Given>(
  what: string,
  given: AsyncIterable<Given> | Iterable<Given>,
): AsyncIterator<Given> | Iterator<Given> {
  if (typeof given === "object" && given !== null) {
    if (Symbol.asyncIterator in given) return given[Symbol.asyncIterator]();
    if (Symbol.iterator in given) return given[Symbol.iterator]();
  }
  throw backtestInvalid(`the ${what}s are no list and nothing that can be walked`);
}
