import type { CapturedLabel, CapturedPrediction, Logger, Redactor } from "@millwright/contracts";
import { toArray } from "@millwright/data";
import { type QualityOptions, scoresOf } from "../quality/quality.ts";
import { addAnswer, addOutcome, addRecovered, type QualitySums, segmentKey } from "../quality/quality-sums.ts";
import { binnedScores, rowOutcome, scoringOf } from "../quality/row-outcome.ts";
import { type AnswerLookup, type AnswerSource, createAnswerLookup } from "./answer-lookup.ts";
import { createEarlyLabels, type EarlyLabels, type HeldLabel } from "./early-labels.ts";
import { type FoundAnswer, foundAnswer } from "./found-answer.ts";
import {
  type AnswerReading,
  type AnswerReadings,
  createAnswerReadings,
  type ReadingsState,
} from "./answer-readings.ts";
import { createLabelFacts, type LabelFacts } from "./label-facts.ts";
import { outcomeOf, truthIn } from "./label-truth.ts";
import { jsonOf } from "./observe.ts";
import type { SampledRow } from "./row-sample.ts";
import { type Answer, createWaitingAnswers, type WaitingAnswers } from "./waiting-answers.ts";
import type { WaitingAnswer, WaitingState } from "./waiting-json.ts";
import type { WindowBook } from "./window-book.ts";

/** Where a label join finds answers again. */
export interface JoinLookup {
  readonly source: AnswerSource;
  readonly maxLabels: number;
  readonly logger: Logger;
  /** Whether the variant still serves that model, as far as is known. */
  readonly isServed: (found: FoundAnswer) => boolean;
  /** Whether answers of that time were counted when they came: what was lost with a process was not. */
  readonly isCounted: (timeMs: number) => boolean;
}

/** What became of a label. */
export type LabelOutcome = "joined" | "corrected" | "duplicated" | "unmatched" | "forgotten" | "invalid" | "superseded";

/** Joins labels with the answers they are about, by request and row, whichever comes first. */
export interface LabelJoin {
  /** Whether labels of an endpoint can be joined. */
  wants(endpoint: string): boolean;
  /** Labels of what the variant has answered count no more: another model answers now. */
  startOver(endpoint: string, variant: string): void;
  /** Remembers an answer until its label comes, and joins those that came before it. @param sampled Its rows that are kept. Default: none. */
  expect(prediction: CapturedPrediction, timeMs: number, sampled?: readonly SampledRow[]): void;
  /** Joins a label, or holds it for an answer that is still on its way. @param nowMs When it came. */
  join(label: CapturedLabel, nowMs: number): void;
  /** Labels held, or looked up: of them nothing is told yet. */
  readonly held: number;
  /** Ends the look-ups that are under way. */
  finishLookups(): Promise<void>;
  /** Ends those that go on. */
  stopLookups(): void;
  /** Forgets answers that are older than `nowMs` − `retainMs`; gives up, or looks up, labels that were held longer than `holdMs`. */
  forget(nowMs: number, retainMs: number, holdMs: number): void;
  /** Answers of `fromMs` and later that wait, which of them are labelled, and labels that are held. */
  state(fromMs: number): WaitingState;
  /**
   * Goes on from what an earlier process left, before anything else comes. Throws a `TypeError`.
   * @param rows Those that are kept, by request.
   * @param seen How answers were read, as far as that shows in what was counted: for states that do not tell.
   */
  restore(state: WaitingState, rows: ReadonlyMap<string, readonly SampledRow[]>, seen: ReadingsState): void;
  /** Takes labels that another process holds, as far as their answers wait here; those that came before count once. */
  deliver(held: readonly HeldLabel[]): void;
}

export interface LabelJoinOptions {
  readonly book: WindowBook;
  readonly quality: Readonly<Record<string, QualityOptions>>;
  /** Most requests remembered; beyond, the oldest are forgotten and their labels stay unmatched. */
  readonly maxWaiting: number;
  /** Most labels held for answers to come; beyond, the oldest are given up. */
  readonly maxHeld: number;
  /** Most labels of which is remembered that they were counted. */
  readonly maxLabelled: number;
  /** Where answers are found that are remembered no more. */
  readonly lookup: JoinLookup | undefined;
  readonly redactor: Redactor | undefined;
  readonly retainMs: number;
  readonly nowMs: () => number;
  /** Told once of each label, when it is certain. */
  readonly settle: (outcome: LabelOutcome) => void;
}

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

const kinds: ReadonlySet<string> = new Set(["string", "number", "boolean"]);

const isLabel = ({ requestId, row = 0, value, timeMs }: CapturedLabel): boolean =>
  typeof requestId === "string" && Number.isSafeInteger(row) && kinds.has(typeof value) && Number.isFinite(timeMs);

interface Joining {
  readonly book: WindowBook;
  readonly facts: LabelFacts;
  readonly readings: AnswerReadings;
  readonly optionsOf: (endpoint: string) => QualityOptions | undefined;
}

/** The answer that a label is about. */
interface Labelled {
  readonly answer: Answer;
  /** Where it is counted; undefined where its window is gone, or began anew with another model. */
  readonly sums: QualitySums | undefined;
  /** Whether it was counted as an answer when it came. */
  readonly counted: boolean;
}

function applyLabel(
  { facts, readings, optionsOf }: Joining,
  { answer, sums, counted }: Labelled,
  label: CapturedLabel,
): LabelOutcome {
  const { requestId, row = 0, value, timeMs } = label;
  const options = optionsOf(answer.endpoint);
  if (options === undefined) return "invalid";
  const { reading } = answer;
  const score = rowOutcome(answer.scores, row, 0, reading)?.predicted;
  if (score === undefined) return "unmatched";
  const truth = truthIn(answer, value, options, readings);
  if (truth === undefined || !Number.isFinite(score)) return "invalid";
  if (sums === undefined || !facts.isWhole(answer.timeMs)) return "forgotten";
  const earlier = facts.get(answer.timeMs, requestId, row);
  // Labels may come out of order: what became known later counts.
  if (earlier !== undefined && earlier.timeMs > timeMs) return "superseded";
  if (earlier?.timeMs === timeMs && earlier.truth === truth) return "duplicated";
  const segments = answer.segments[row] ?? [];
  const outcome = outcomeOf(answer, row, truth, readings);
  const before = earlier === undefined ? undefined : outcomeOf(answer, row, earlier.truth, readings);
  // A state that was cut may lack the name of a class.
  if (outcome === undefined || (earlier !== undefined && before === undefined)) return "forgotten";
  const count = (each: NonNullable<typeof outcome>, knownMs: number, sign: 1 | -1): void => {
    const lagMs = Math.max(0, knownMs - answer.timeMs);
    addOutcome(sums, { ...each, lagMs, segments }, scoringOf(reading), sign);
  };
  if (before !== undefined) count(before, earlier?.timeMs ?? timeMs, -1);
  else if (!counted) addRecovered(sums, score, scoringOf(reading), segments);
  count(outcome, timeMs, 1);
  facts.set(answer.timeMs, requestId, row, { truth, timeMs });
  for (const each of answer.sampled) if (each.row === row) each.label = value;
  return earlier === undefined ? "joined" : "corrected";
}

/** Looks answers up that labels are about, and counts these. */
function createLookup(
  joining: Joining,
  { maxLabels, ...lookup }: JoinLookup,
  { quality, settle, retainMs, nowMs }: LabelJoinOptions,
): AnswerLookup {
  const { book, readings, optionsOf } = joining;
  const sumsOf = ({ answer: { endpoint, variant, timeMs }, model }: FoundAnswer): QualitySums =>
    book.qualityAt(endpoint, variant, timeMs) ?? book.recoverQuality(endpoint, variant, timeMs, model);
  return createAnswerLookup({
    ...lookup,
    most: maxLabels,
    features: [...new Set(Object.values(quality).flatMap(({ segments = [] }) => segments))],
    missing: () => settle("unmatched"),
    found(row, labels) {
      const found = foundAnswer(row, optionsOf, readings.at);
      const isKept = found !== undefined && found.answer.timeMs >= nowMs() - retainMs && lookup.isServed(found);
      for (const label of labels) {
        if (found === undefined) settle("unmatched");
        else if (!isKept || !joining.facts.isWhole(found.answer.timeMs)) settle("forgotten");
        else {
          const { endpoint, variant, timeMs } = found.answer;
          const answer = { ...found.answer, sampled: book.rowsAt(endpoint, variant, timeMs, label.requestId) };
          settle(applyLabel(joining, { answer, sums: sumsOf(found), counted: lookup.isCounted(timeMs) }, label));
        }
      }
    },
  });
}

/** Reads answers as labels need them; undefined where no label could be about one. */
const answerReader =
  ({ readings, optionsOf }: Joining, redactor: Redactor | undefined) =>
  (prediction: CapturedPrediction, timeMs: number, sampled: readonly SampledRow[]): Omit<Answer, "era"> | undefined => {
    const { requestId, endpoint, variant, model, outputs } = prediction;
    const [scored, reading] = [optionsOf(endpoint), readings.now(endpoint)];
    if (scored === undefined || reading === undefined) return undefined;
    // What no state could tell is no answer that a label finds.
    if ([requestId, endpoint, variant].some((text) => typeof text !== "string")) return undefined;
    const scores = scoresOf(outputs?.[scored.output], scored);
    if (scores === undefined) return undefined;
    readings.note(endpoint, model.digest);
    const { segments: columns = [] } = scored;
    const rows = columns.length === 0 ? 0 : binnedScores(scores, scored).length;
    const segments = segmentsOf(prediction, columns, rows, redactor);
    return { endpoint, variant, timeMs, scores, reading, segments, sampled };
  };

function countAnswer({ book }: Joining, { endpoint, variant, timeMs, scores, reading, segments }: Answer): void {
  const sums = book.qualityAt(endpoint, variant, timeMs);
  if (sums === undefined) return;
  for (const [row, score] of binnedScores(scores, reading).entries())
    addAnswer(sums, score, scoringOf(reading), segments[row] ?? []);
}

export function createLabelJoin(options: LabelJoinOptions): LabelJoin {
  const { book, quality, redactor, settle, nowMs } = options;
  const waiting = createWaitingAnswers(options.maxWaiting);
  const facts = createLabelFacts(options.maxLabelled);
  const optionsOf = (endpoint: string): QualityOptions | undefined =>
    Object.hasOwn(quality, endpoint) ? quality[endpoint] : undefined;
  const readings = createAnswerReadings(quality, nowMs());
  const joining: Joining = { book, facts, readings, optionsOf };
  const lookup = options.lookup === undefined ? undefined : createLookup(joining, options.lookup, options);
  const early = createEarlyLabels(options.maxHeld, (label) =>
    lookup === undefined ? settle("unmatched") : lookup.ask(label, nowMs()),
  );
  const apply = (answer: Answer, label: CapturedLabel): LabelOutcome => {
    // The model that answers now may have windows of the same time: of the minute in which it came, or of its hour.
    const isOwn = waiting.isCurrent(answer);
    const sums = isOwn ? book.qualityAt(answer.endpoint, answer.variant, answer.timeMs) : undefined;
    return applyLabel(joining, { answer, sums, counted: true }, label);
  };
  const answerOf = answerReader(joining, redactor);
  return {
    get held() {
      return early.size + (lookup?.size ?? 0);
    },
    finishLookups: async () => lookup?.finish(),
    stopLookups: () => lookup?.stop(),
    wants: (endpoint) => optionsOf(endpoint) !== undefined,
    startOver: waiting.startOver,
    expect(prediction, timeMs, sampled = []) {
      const { requestId } = prediction;
      if (prediction.errorCode !== undefined || waiting.has(requestId)) return;
      const read = answerOf(prediction, timeMs, sampled);
      if (read === undefined) return;
      const answer = { ...read, era: waiting.eraOf(read.endpoint, read.variant) };
      waiting.add(requestId, answer);
      countAnswer(joining, answer);
      for (const label of early.take(requestId)) settle(apply(answer, label));
    },
    join(label, nowMs) {
      if (!isLabel(label)) return settle("invalid");
      const answer = waiting.get(label.requestId);
      if (answer === undefined) early.hold(label, nowMs);
      else settle(apply(answer, label));
    },
    deliver(held) {
      for (const { label } of held) {
        const answer = waiting.get(label.requestId);
        const outcome = answer === undefined ? "unmatched" : apply(answer, label);
        // A state is told again and again, and who holds the label says what else becomes of it.
        if (outcome === "joined" || outcome === "corrected") settle(outcome);
      }
    },
    forget(nowMs, retainMs, holdMs) {
      waiting.forget(nowMs - retainMs);
      facts.forget(nowMs - retainMs);
      early.giveUp(nowMs - holdMs);
      lookup?.start(nowMs);
    },
    ...exchangeOf({ waiting, facts, readings, early, lookup }),
  };
}

interface Exchanged {
  readonly waiting: WaitingAnswers;
  readonly facts: LabelFacts;
  readonly readings: AnswerReadings;
  readonly early: EarlyLabels;
  readonly lookup: AnswerLookup | undefined;
}

const exchangeOf = ({ waiting, facts, readings, early, lookup }: Exchanged): Pick<LabelJoin, "state" | "restore"> => ({
  state: (fromMs) => ({
    answers: waiting.list(fromMs),
    labelled: facts.state(fromMs),
    held: [...(lookup?.list() ?? []), ...early.list()],
    readings: readings.state(),
  }),
  restore({ answers, labelled, held, readings: told }, rows, seen) {
    readings.restore(told ?? seen);
    facts.restore(labelled);
    const classesSeen = new Map(seen.classes);
    const readingOf = ({ endpoint, scores }: WaitingAnswer): AnswerReading | undefined => {
      const now = readings.now(endpoint);
      const classes = classesSeen.get(endpoint);
      // What is no whole number of rows was in no such order.
      const fits = now?.kind === "classes" && classes !== undefined && scores.length % classes.length === 0;
      return fits ? { ...now, classes } : now;
    };
    for (const [requestId, answer] of answers) {
      const reading = answer.reading ?? readingOf(answer);
      // Answers of an endpoint that is no longer scored, in a state that does not tell how: no label says anything of them.
      if (reading === undefined) continue;
      waiting.add(requestId, { ...answer, reading, sampled: rows.get(requestId) ?? answer.sampled });
    }
    for (const { label, sinceMs } of held) early.hold(label, sinceMs);
  },
});
