import type { CapturedLabel, CapturedPrediction } from "@millwright/contracts";
import { addOutcome, type QualityOptions, scoresOf, truthOf } from "../quality/quality.ts";
import type { WindowBook } from "./window-book.ts";

/** What became of a label. */
export type LabelOutcome = "joined" | "corrected" | "unmatched" | "invalid" | "superseded";

/** Joins labels with the answers they are about, by request and row, whichever comes first. */
export interface LabelJoin {
  /** Whether labels of an endpoint can be joined. */
  wants(endpoint: string): boolean;
  /** Remembers an answer until its label comes, and joins those that came before it. */
  expect(prediction: Omit<CapturedPrediction, "features">, timeMs: number): void;
  /** Joins a label, or holds it for an answer that is still on its way. @param nowMs When it came. */
  join(label: CapturedLabel, nowMs: number): void;
  /** Labels held: of them nothing is told yet. */
  readonly held: number;
  /** Forgets answers that are older, and gives up labels that came before `heldBeforeMs`. */
  forget(olderThanMs: number, heldBeforeMs: number): void;
}

export interface LabelJoinOptions {
  readonly book: WindowBook;
  readonly quality: Readonly<Record<string, QualityOptions>>;
  /** Most requests remembered; beyond, the oldest are forgotten and their labels stay unmatched. */
  readonly maxWaiting: number;
  /** Most labels held for answers to come; beyond, the oldest are given up. */
  readonly maxHeld: number;
  /** Told once of each label, when it is certain. */
  readonly settle: (outcome: LabelOutcome) => void;
}

interface Waiting {
  readonly endpoint: string;
  readonly variant: string;
  readonly timeMs: number;
  readonly scores: Float64Array;
  readonly labelled: Map<number, { readonly truth: number; readonly timeMs: number }>;
}

export function createLabelJoin({ book, quality, maxWaiting, maxHeld, settle }: LabelJoinOptions): LabelJoin {
  const waiting = new Map<string, Waiting>();
  const optionsOf = (endpoint: string): QualityOptions | undefined =>
    Object.hasOwn(quality, endpoint) ? quality[endpoint] : undefined;
  const apply = (answer: Waiting, { row = 0, value, timeMs }: CapturedLabel): LabelOutcome => {
    const score = answer.scores[row];
    if (score === undefined) return "unmatched";
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
  };
  const early = createEarlyLabels(maxHeld, () => settle("unmatched"));
  return {
    get held() {
      return early.size;
    },
    wants: (endpoint) => optionsOf(endpoint) !== undefined,
    expect({ requestId, endpoint, variant, outputs, errorCode }, timeMs) {
      const options = optionsOf(endpoint);
      if (options === undefined || errorCode !== undefined || waiting.has(requestId)) return;
      const scores = scoresOf(outputs?.[options.output]);
      if (scores === undefined) return;
      const answer: Waiting = { endpoint, variant, timeMs, scores, labelled: new Map() };
      waiting.set(requestId, answer);
      const sums = book.qualityAt(endpoint, variant, timeMs);
      if (sums !== undefined) sums.predictions += scores.length;
      for (const label of early.take(requestId)) settle(apply(answer, label));
      const [oldest] = waiting.keys();
      if (waiting.size > maxWaiting && oldest !== undefined) waiting.delete(oldest);
    },
    join(label, nowMs) {
      const answer = waiting.get(label.requestId);
      if (answer === undefined) early.hold(label, nowMs);
      else settle(apply(answer, label));
    },
    forget(olderThanMs, heldBeforeMs) {
      for (const [requestId, { timeMs }] of waiting) {
        if (timeMs >= olderThanMs) break;
        waiting.delete(requestId);
      }
      early.giveUp(heldBeforeMs);
    },
  };
}

/** Labels that came before their answers, in the order they came. */
interface EarlyLabels {
  readonly size: number;
  hold(label: CapturedLabel, nowMs: number): void;
  /** Those of a request; they are held no longer. */
  take(requestId: string): readonly CapturedLabel[];
  /** Gives up what came earlier. */
  giveUp(beforeMs: number): void;
}

/** @param lost Told of each label that is given up. */
function createEarlyLabels(most: number, lost: () => void): EarlyLabels {
  // The labels of one request stand and fall together, by the time of the first.
  const held = new Map<string, { readonly sinceMs: number; readonly labels: CapturedLabel[] }>();
  let size = 0;
  const take = (requestId: string): readonly CapturedLabel[] => {
    const labels = held.get(requestId)?.labels ?? [];
    held.delete(requestId);
    size -= labels.length;
    return labels;
  };
  return {
    get size() {
      return size;
    },
    take,
    hold(label, nowMs) {
      const known = held.get(label.requestId);
      if (known === undefined) held.set(label.requestId, { sinceMs: nowMs, labels: [label] });
      else known.labels.push(label);
      size += 1;
      while (size > most) {
        const [oldest] = held.keys();
        if (oldest === undefined) return;
        take(oldest).forEach(lost);
      }
    },
    giveUp(beforeMs) {
      for (const [requestId, { sinceMs }] of held) {
        if (sinceMs >= beforeMs) return;
        take(requestId).forEach(lost);
      }
    },
  };
}
