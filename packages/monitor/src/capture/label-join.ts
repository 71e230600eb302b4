import type { CapturedLabel, CapturedPrediction, Redactor } from "@millwright/contracts";
import { toArray } from "@millwright/data";
import { type QualityOptions, scoresOf, truthOf } from "../quality/quality.ts";
import { addAnswer, addOutcome, type Scoring, segmentKey } from "../quality/quality-sums.ts";
import { createEarlyLabels } from "./early-labels.ts";
import { jsonOf } from "./observe.ts";
import type { SampledRow } from "./row-sample.ts";
import type { WindowBook } from "./window-book.ts";

/** What became of a label. */
export type LabelOutcome = "joined" | "corrected" | "duplicated" | "unmatched" | "forgotten" | "invalid" | "superseded";

/** Joins labels with the answers they are about, by request and row, whichever comes first. */
export interface LabelJoin {
  /** Whether labels of an endpoint can be joined. */
  wants(endpoint: string): boolean;
  /** Remembers an answer until its label comes, and joins those that came before it. @param sampled Its rows that are kept. Default: none. */
  expect(prediction: CapturedPrediction, timeMs: number, sampled?: readonly SampledRow[]): void;
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
  readonly redactor: Redactor | undefined;
  /** Told once of each label, when it is certain. */
  readonly settle: (outcome: LabelOutcome) => void;
}

interface Waiting {
  readonly endpoint: string;
  readonly variant: string;
  readonly timeMs: number;
  readonly scores: Float64Array;
  readonly labelled: Map<number, { readonly truth: number; readonly timeMs: number }>;
  /** Keys of the segments of each row; none where there are none. */
  readonly segments: readonly (readonly string[])[];
  /** Rows that are kept, and take the label. */
  readonly sampled: readonly SampledRow[];
}

const scoringOf = ({ kind, threshold = 0.5 }: QualityOptions): Scoring => ({ kind, threshold });

/** The segments that each row of a request belongs to, as the redactor leaves them. */
function segmentsOf(
  { features }: CapturedPrediction,
  columns: readonly string[],
  rows: number,
  redactor: Redactor | undefined,
): readonly (readonly string[])[] {
  if (columns.length === 0) return [];
  const keys = Array.from({ length: rows }, (): string[] => []);
  for (const name of columns) {
    const column = features !== undefined && Object.hasOwn(features.columns, name) ? features.columns[name] : undefined;
    const values = column === undefined ? [] : toArray(column);
    for (const [row, own] of keys.entries()) {
      const json = jsonOf(values[row] ?? null);
      const value = redactor === undefined ? json : redactor.redact(name, json);
      own.push(segmentKey(name, typeof value === "string" ? value : JSON.stringify(value)));
    }
  }
  return keys;
}

function applyLabel(
  book: WindowBook,
  answer: Waiting,
  { row = 0, value, timeMs }: CapturedLabel,
  options: QualityOptions | undefined,
): LabelOutcome {
  const score = answer.scores[row];
  if (score === undefined) return "unmatched";
  const truth = options === undefined ? undefined : truthOf(value, options);
  if (options === undefined || truth === undefined || !Number.isFinite(timeMs) || !Number.isFinite(score))
    return "invalid";
  // Its window is gone, or began anew with another model.
  const sums = book.qualityAt(answer.endpoint, answer.variant, answer.timeMs);
  if (sums === undefined) return "forgotten";
  const earlier = answer.labelled.get(row);
  // Labels may come out of order: what became known later counts.
  if (earlier !== undefined && earlier.timeMs > timeMs) return "superseded";
  if (earlier?.timeMs === timeMs && earlier.truth === truth) return "duplicated";
  const count = (known: { readonly truth: number; readonly timeMs: number }, sign: 1 | -1): void => {
    const lagMs = Math.max(0, known.timeMs - answer.timeMs);
    const outcome = { predicted: score, actual: known.truth, lagMs, segments: answer.segments[row] ?? [] };
    addOutcome(sums, outcome, scoringOf(options), sign);
  };
  if (earlier !== undefined) count(earlier, -1);
  count({ truth, timeMs }, 1);
  answer.labelled.set(row, { truth, timeMs });
  for (const each of answer.sampled) if (each.row === row) each.label = value;
  return earlier === undefined ? "joined" : "corrected";
}

export function createLabelJoin({ book, quality, maxWaiting, maxHeld, redactor, settle }: LabelJoinOptions): LabelJoin {
  const waiting = new Map<string, Waiting>();
  const optionsOf = (endpoint: string): QualityOptions | undefined =>
    Object.hasOwn(quality, endpoint) ? quality[endpoint] : undefined;
  const apply = (answer: Waiting, label: CapturedLabel): LabelOutcome =>
    applyLabel(book, answer, label, optionsOf(answer.endpoint));
  const early = createEarlyLabels(maxHeld, () => settle("unmatched"));
  return {
    get held() {
      return early.size;
    },
    wants: (endpoint) => optionsOf(endpoint) !== undefined,
    expect(prediction, timeMs, sampled = []) {
      const { requestId, endpoint, variant, outputs, errorCode } = prediction;
      const options = optionsOf(endpoint);
      if (options === undefined || errorCode !== undefined || waiting.has(requestId)) return;
      const scores = scoresOf(outputs?.[options.output]);
      if (scores === undefined) return;
      const segments = segmentsOf(prediction, options.segments ?? [], scores.length, redactor);
      const answer: Waiting = { endpoint, variant, timeMs, scores, labelled: new Map(), segments, sampled };
      waiting.set(requestId, answer);
      const sums = book.qualityAt(endpoint, variant, timeMs);
      if (sums !== undefined)
        for (const [row, score] of scores.entries()) addAnswer(sums, score, scoringOf(options), segments[row] ?? []);
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
