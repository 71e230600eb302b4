import { detectorInvalid } from "../errors.ts";

export type DetectorVerdict = "stable" | "warning" | "drift";

/** What a value that is saved may hold. */
export type DetectorValues = { [name: string]: number | boolean | string | readonly DetectorItem[] };
type DetectorItem = number | readonly DetectorItem[];

/** All that a detector knows, as JSON: `restoreDetector` goes on exactly from here. */
export interface DetectorState {
  readonly formatVersion: 1;
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Watches a stream of values, one at a time, for a change of what they come from. Its memory does not grow with the stream, or with its logarithm only.
 * The same values give the same verdicts.
 */
export interface DriftDetector<Value = number> {
  readonly kind: string;
  /** Takes the next value. After `drift`, the next value is the first of a new stream. A value that is missing or not finite is passed over: `stable`. */
  update(value: Value): DetectorVerdict;
  /** Forgets all that was seen. */
  reset(): void;
  /** A copy of all it knows. */
  state(): DetectorState;
}

/** A detector that decides by one number. */
export interface ThresholdDetector<Value = number> extends DriftDetector<Value> {
  /** It says `drift` when the statistic is greater. */
  readonly threshold: number;
  /** What it decides by, after the last value. */
  statistic(): number;
}

/** How a detector works: pure functions of its options and of what it keeps. */
export interface Mechanism<Options extends object, Values extends object> {
  readonly kind: string;
  start(options: Options): Values;
  /** Changes `values` in place. */
  step(values: Values, value: number, options: Options): DetectorVerdict;
  /** Least and greatest value that makes sense. Default: any finite one. */
  readonly range?: readonly [number, number] | undefined;
}

const isMissing = (value: unknown): boolean =>
  value === null || value === undefined || (typeof value === "number" && !Number.isFinite(value));

/** Runs a mechanism, from its start or from what was saved. */
export function runDetector<Options extends object, Values extends object>(
  mechanism: Mechanism<Options, Values>,
  options: Options,
  saved?: unknown,
): DriftDetector & { readonly values: () => Values } {
  const { kind, range } = mechanism;
  let values = mechanism.start(options);
  if (saved !== undefined) values = savedValues(kind, values, saved);
  let drifted = saved !== undefined && (saved as { readonly drifted?: unknown }).drifted === true;
  return {
    kind,
    update(value) {
      if (isMissing(value)) return "stable";
      if (typeof value !== "number" && typeof value !== "boolean")
        throw detectorInvalid(kind, `a value must be a number, not ${typeof value}`);
      const number = Number(value);
      if (range !== undefined && !(number >= range[0] && number <= range[1]))
        throw detectorInvalid(kind, `a value must be from ${range[0]} to ${range[1]}, not ${number}`);
      if (drifted) values = mechanism.start(options);
      const verdict = mechanism.step(values, number, options);
      drifted = verdict === "drift";
      return verdict;
    },
    reset() {
      values = mechanism.start(options);
      drifted = false;
    },
    state: () => ({
      formatVersion: 1,
      kind,
      options: structuredClone({ ...options }) as DetectorState["options"],
      values: structuredClone({ ...values, drifted }) as DetectorState["values"],
    }),
    values: () => values,
  };
}

/** What was saved, when it has the shape of what `start` gives. */
function savedValues<Values extends object>(kind: string, start: Values, saved: unknown): Values {
  if (typeof saved !== "object" || saved === null) throw detectorInvalid(kind, "its saved values are no object");
  const found: Record<string, unknown> = {};
  for (const [name, first] of Object.entries(start)) {
    const value = (saved as Readonly<Record<string, unknown>>)[name];
    if (!isAlike(first, value)) throw detectorInvalid(kind, `its saved values lack a sound "${name}"`);
    found[name] = structuredClone(value);
  }
  return found as Values;
}

function isAlike(first: unknown, value: unknown): boolean {
  if (Array.isArray(first)) return Array.isArray(value) && value.every(isNumbers);
  if (typeof first === "number") return typeof value === "number" && Number.isFinite(value);
  return typeof value === typeof first;
}

const isNumbers = (value: unknown): boolean =>
  Array.isArray(value) ? value.every(isNumbers) : typeof value === "number" && Number.isFinite(value);

/** Checks numbers of options: each with its least and greatest value; `integer` where only whole ones will do. */
export function checkOptions(
  kind: string,
  limits: Readonly<
    Record<
      string,
      { readonly value: unknown; readonly from?: number; readonly to?: number; readonly integer?: boolean }
    >
  >,
): void {
  for (const [option, { value, from = -Number.MAX_VALUE, to = Number.MAX_VALUE, integer = false }] of Object.entries(
    limits,
  )) {
    if (typeof value === "number" && value >= from && value <= to && (!integer || Number.isInteger(value))) continue;
    const shown = typeof value === "number" ? String(value) : typeof value;
    const range = `${from === -Number.MAX_VALUE ? "" : ` of at least ${from}`}${to === Number.MAX_VALUE ? "" : ` and at most ${to}`}`;
    throw detectorInvalid(kind, `${option} must be a${integer ? " whole" : ""} number${range}, not ${shown}`);
  }
}

export type Direction = "up" | "down" | "both";

export function checkDirection(kind: string, direction: unknown): void {
  if (direction !== "up" && direction !== "down" && direction !== "both")
    throw detectorInvalid(
      kind,
      `direction must be "up", "down" or "both", not ${JSON.stringify(direction) ?? typeof direction}`,
    );
}

/** Smallest number a share may be, greater than 0. */
export const tiny: number = Number.MIN_VALUE;
