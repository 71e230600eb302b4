import {
  type CallOptions,
  type CapturedLabel,
  decodeNumbers,
  type JsonObject,
  type JsonValue,
} from "@millwright/contracts";
import { qualityInvalid } from "../errors.ts";
import type { ClassName } from "./classes.ts";
import { truthOf } from "./quality.ts";
import type { SegmentValue } from "./segments.ts";

export interface JoinLabelsOptions extends CallOptions {
  /** The output that holds the answer: one number a row; two, of which the second is the probability; or for `classes` one a class. */
  readonly output: string;
  readonly kind: "binary" | "regression" | "classes";
  /** The label that is positive, for `binary`. Default: true, 1, "1" and "true". */
  readonly positive?: CapturedLabel["value"] | undefined;
  /** In the order of the output's numbers, for `classes`: labels are their names. */
  readonly classes?: readonly ClassName[] | undefined;
  /** Features that become segment columns. Default: none. */
  readonly segments?: readonly string[] | undefined;
  /** Only answers of these. Default: all. */
  readonly endpoint?: string | undefined;
  readonly variant?: string | undefined;
  /** Only answers in `[fromMs, toMs)`. Default: all. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/** What became of labels. */
export interface LabelCounts {
  /** Answers that a label came for. */
  readonly joined: number;
  /** Labels that a later one took the place of. */
  readonly corrected: number;
  /** Labels that came again with the same value and time. */
  readonly duplicated: number;
  /** Labels of no answer among these. */
  readonly unmatched: number;
  /** Labels that are no truth of this kind. */
  readonly invalid: number;
}

/** Answers with the truths that are known of them: a row of a request each, by columns. */
export interface LabelledAnswers {
  readonly kind: JoinLabelsOptions["kind"];
  readonly requestIds: readonly string[];
  /** Which row of its request. */
  readonly rows: Int32Array;
  readonly timesMs: Float64Array;
  /** The probability, the value, or the number of the most probable class. */
  readonly scores: Float64Array;
  /** Rows × classes, for `classes`. */
  readonly probabilities: Float64Array;
  readonly classes: readonly ClassName[];
  /** NaN where no label came. For `classes` the number of the class. */
  readonly truths: Float64Array;
  /** From answer to the label that counts, at least 0; NaN where none came. */
  readonly lagsMs: Float64Array;
  readonly segments: Readonly<Record<string, readonly SegmentValue[]>>;
  readonly counts: LabelCounts;
}

interface Known {
  readonly value: CapturedLabel["value"];
  readonly timeMs: number;
  used: boolean;
}

const keyOf = (requestId: string, row: number): string => `${row} ${requestId}`;

/**
 * Joins captured rows, as the capture drivers give them, with labels by request and row. Labels may be late, twice, corrected and in any order: what became known last
 * counts. A request that stands twice counts once; failed ones and outputs of another shape do not count. Memory grows with answers and labels, not with captured features.
 * Throws `MONITOR_QUALITY_INVALID`, and what walking the rows throws.
 */
export async function joinLabels(
  captured: Iterable<JsonObject> | AsyncIterable<JsonObject>,
  labels: Iterable<CapturedLabel> | AsyncIterable<CapturedLabel>,
  options: JoinLabelsOptions,
): Promise<LabelledAnswers> {
  const { signal, kind, output, classes = [], segments = [] } = options;
  signal?.throwIfAborted();
  if (kind !== "binary" && kind !== "regression" && kind !== "classes")
    throw qualityInvalid(`the kind ${JSON.stringify(kind)} is none of binary, regression, classes`);
  if (kind === "classes" && classes.length < 2) throw qualityInvalid("the names of at least two classes are needed");
  const counts = { joined: 0, corrected: 0, duplicated: 0, unmatched: 0, invalid: 0 };
  const known = await newestLabels(labels, counts, signal);
  const numbers = new Map(classes.map((name, index) => [name, index]));
  const truth = (value: CapturedLabel["value"]): number | undefined =>
    kind === "classes" ? numbers.get(value) : truthOf(value, { output, kind, positive: options.positive });
  const found = columnsOf(segments);
  const seen = new Set<string>();
  for await (const request of captured) {
    signal?.throwIfAborted();
    const { requestId, timeMs } = decodeNumbers(request as JsonValue) as { requestId?: unknown; timeMs?: unknown };
    if (typeof requestId !== "string" || typeof timeMs !== "number" || seen.has(requestId)) continue;
    if (!isWanted(request, timeMs, options)) continue;
    seen.add(requestId);
    for (const answer of answersOf(request, kind, output, classes.length)) {
      const label = known.get(keyOf(requestId, answer.row));
      const value = label === undefined ? undefined : truth(label.value);
      if (label !== undefined) label.used = true;
      if (label !== undefined && value === undefined) counts.invalid += 1;
      if (value !== undefined) counts.joined += 1;
      found.add(request, requestId, timeMs, answer, value, label?.timeMs);
    }
  }
  for (const { used } of known.values()) if (!used) counts.unmatched += 1;
  return { kind, classes, ...found.columns(), counts };
}

async function newestLabels(
  labels: Iterable<CapturedLabel> | AsyncIterable<CapturedLabel>,
  counts: { corrected: number; duplicated: number; invalid: number },
  signal: AbortSignal | undefined,
): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  for await (const { requestId, row = 0, value, timeMs } of labels) {
    signal?.throwIfAborted();
    const key = keyOf(requestId, row);
    const earlier = known.get(key);
    if (!Number.isFinite(timeMs)) counts.invalid += 1;
    else if (earlier?.timeMs === timeMs && earlier.value === value) counts.duplicated += 1;
    else {
      if (earlier !== undefined) counts.corrected += 1;
      if (earlier === undefined || timeMs >= earlier.timeMs) known.set(key, { value, timeMs, used: false });
    }
  }
  return known;
}

function isWanted(request: JsonObject, timeMs: number, options: JoinLabelsOptions): boolean {
  const { endpoint, variant, fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = options;
  return (
    request["errorCode"] === undefined &&
    (endpoint === undefined || request["endpoint"] === endpoint) &&
    (variant === undefined || request["variant"] === variant) &&
    timeMs >= fromMs &&
    timeMs < toMs
  );
}

/** One row of a captured request. */
export interface Answer {
  readonly row: number;
  readonly score: number;
  readonly probabilities: readonly number[];
}

/** What a captured request answered, row by row; none where its output has another shape. */
export function answersOf(
  request: JsonObject,
  kind: JoinLabelsOptions["kind"],
  output: string,
  classes: number,
): Answer[] {
  const outputs = request["outputs"] as Readonly<Record<string, unknown>> | undefined;
  const named = (name: string): readonly unknown[] | undefined => {
    const column = outputs !== undefined && Object.hasOwn(outputs, name) ? outputs[name] : undefined;
    return Array.isArray(column) ? (decodeNumbers(column as JsonValue) as unknown as readonly unknown[]) : undefined;
  };
  if (kind === "classes") {
    const columns = Array.from({ length: classes }, (_, at) => named(`${output}[${at}]`));
    if (columns.some((column) => column?.length !== columns[0]?.length) || columns[0] === undefined) return [];
    return columns[0].map((_, row) => {
      const probabilities = columns.map((column) => Number((column as readonly unknown[])[row]));
      return { row, score: probabilities.indexOf(Math.max(...probabilities)), probabilities };
    });
  }
  const scores = named(output) ?? (named(`${output}[2]`) === undefined ? named(`${output}[1]`) : undefined) ?? [];
  return scores.map((score, row) => ({
    row,
    score: typeof score === "number" ? score : Number.NaN,
    probabilities: [],
  }));
}

interface Columns {
  add(
    request: JsonObject,
    requestId: string,
    timeMs: number,
    answer: Answer,
    truth: number | undefined,
    labelMs: number | undefined,
  ): void;
  columns(): Omit<LabelledAnswers, "kind" | "classes" | "counts">;
}

function columnsOf(segmentNames: readonly string[]): Columns {
  const requestIds: string[] = [];
  const [rows, timesMs, scores, truths, lagsMs, probabilities]: number[][] = [[], [], [], [], [], []];
  const segments = segmentNames.map((name) => ({ name, values: [] as SegmentValue[] }));
  return {
    add(request, requestId, timeMs, answer, truth, labelMs) {
      requestIds.push(requestId);
      rows?.push(answer.row);
      timesMs?.push(timeMs);
      scores?.push(answer.score);
      truths?.push(truth ?? Number.NaN);
      lagsMs?.push(truth === undefined || labelMs === undefined ? Number.NaN : Math.max(0, labelMs - timeMs));
      for (const each of answer.probabilities) probabilities?.push(each);
      const features = request["features"] as Readonly<Record<string, readonly SegmentValue[] | undefined>> | undefined;
      for (const { name, values } of segments) values.push(features?.[name]?.[answer.row] ?? null);
    },
    columns: () => ({
      requestIds,
      rows: Int32Array.from(rows ?? []),
      timesMs: Float64Array.from(timesMs ?? []),
      scores: Float64Array.from(scores ?? []),
      probabilities: Float64Array.from(probabilities ?? []),
      truths: Float64Array.from(truths ?? []),
      lagsMs: Float64Array.from(lagsMs ?? []),
      segments: Object.fromEntries(segments.map(({ name, values }) => [name, values])),
    }),
  };
}
