import type { CapturedLabel, CapturedPrediction } from "@millwright/contracts";
import { addOutcome, type QualityOptions, scoresOf, truthOf } from "./quality.ts";
import type { WindowBook } from "./window-book.ts";

/** Joins labels with the answers they are about, by request and row. */
export interface LabelJoin {
  /** Remembers an answer until its label comes. */
  expect(prediction: CapturedPrediction, timeMs: number): void;
  /** @returns what became of the label. */
  join(label: CapturedLabel): "joined" | "corrected" | "unmatched" | "invalid" | "superseded";
  /** Answers remembered. */
  readonly waiting: number;
  /** Forgets answers that are older. */
  forget(olderThanMs: number): void;
}

interface Waiting {
  readonly endpoint: string;
  readonly variant: string;
  readonly timeMs: number;
  readonly scores: Float64Array;
  readonly labelled: Map<number, { readonly truth: number; readonly timeMs: number }>;
}

/** @param mostWaiting Most requests remembered; beyond, the oldest are forgotten and their labels stay unmatched. */
export function createLabelJoin(
  book: WindowBook,
  quality: Readonly<Record<string, QualityOptions>>,
  mostWaiting: number,
): LabelJoin {
  const waiting = new Map<string, Waiting>();
  const optionsOf = (endpoint: string): QualityOptions | undefined =>
    Object.hasOwn(quality, endpoint) ? quality[endpoint] : undefined;
  return {
    get waiting() {
      return waiting.size;
    },
    expect({ requestId, endpoint, variant, outputs, errorCode }, timeMs) {
      const options = optionsOf(endpoint);
      if (options === undefined || errorCode !== undefined || waiting.has(requestId)) return;
      const scores = scoresOf(outputs?.[options.output]);
      if (scores === undefined) return;
      waiting.set(requestId, { endpoint, variant, timeMs, scores, labelled: new Map() });
      const sums = book.qualityAt(endpoint, variant, timeMs);
      if (sums !== undefined) sums.predictions += scores.length;
      const [oldest] = waiting.keys();
      if (waiting.size > mostWaiting && oldest !== undefined) waiting.delete(oldest);
    },
    join({ requestId, row = 0, value, timeMs }) {
      const answer = waiting.get(requestId);
      const score = answer?.scores[row];
      if (answer === undefined || score === undefined) return "unmatched";
      const options = optionsOf(answer.endpoint);
      const truth = options === undefined ? undefined : truthOf(value, options);
      const sums = book.qualityAt(answer.endpoint, answer.variant, answer.timeMs);
      if (truth === undefined || sums === undefined || !Number.isFinite(timeMs) || !Number.isFinite(score))
        return "invalid";
      const earlier = answer.labelled.get(row);
      // Labels may come out of order: what became known later counts.
      if (earlier !== undefined && earlier.timeMs > timeMs) return "superseded";
      const lag = (at: number): number => Math.max(0, at - answer.timeMs);
      if (earlier !== undefined) addOutcome(sums, score, earlier.truth, lag(earlier.timeMs), -1);
      addOutcome(sums, score, truth, lag(timeMs), 1);
      answer.labelled.set(row, { truth, timeMs });
      return earlier === undefined ? "joined" : "corrected";
    },
    forget(olderThanMs) {
      for (const [requestId, { timeMs }] of waiting) {
        if (timeMs >= olderThanMs) break;
        waiting.delete(requestId);
      }
    },
  };
}
