import type { JsonObject, JsonValue } from "@millwright/contracts";
import { stateInvalid } from "../errors.ts";
import { driftEpisodes, heldOutWindows, type WindowVerdict } from "./drift-episodes.ts";

/** What a live rule remembers of the windows of one variant: a value. Times are starts of windows, growing. */
export interface RememberedDrift {
  /** Windows that were judged. */
  readonly judgedMs: readonly number[];
  /** By column, those of them that drifted; under the empty name those that drifted as a whole. */
  readonly driftedMs: Readonly<Record<string, readonly number[]>>;
  /** By column, where history begins, since what drifted there was accepted; under the empty name that of all columns. */
  readonly acceptedMs: Readonly<Record<string, number>>;
  /** Digest of the model whose windows these are. Default: not known. */
  readonly model?: string | undefined;
}

/** What a live drift rule has judged and was told, for each variant. Serialisable: give the `state()` of an earlier process to `createDriftMemory` to go on from it. */
export interface DriftMemory {
  remembered(variant: string): RememberedDrift;
  remember(variant: string, value: RememberedDrift): void;
  /** Takes what is there from `sinceMs` on for normal: history begins there. Default `column`: all. Throws a `RangeError` for what is no time. */
  accept(variant: string, sinceMs: number, column?: string): void;
  state(): JsonObject;
}

/** @param state What `state()` returned. Default: nothing is remembered. Throws `MONITOR_STATE_INVALID`. */
export function createDriftMemory(state?: unknown): DriftMemory {
  const variants = new Map<string, RememberedDrift>(state === undefined ? [] : parseVariants(state));
  const remembered = (variant: string): RememberedDrift => variants.get(variant) ?? nothingRemembered;
  return {
    remembered,
    remember: (variant, value) => void variants.set(variant, value),
    accept: (variant, sinceMs, column = wholeWindow) =>
      void variants.set(variant, acceptDrift(remembered(variant), sinceMs, column)),
    state: () => ({
      formatVersion: 1,
      variants: Object.fromEntries(variants) as unknown as JsonValue,
    }),
  };
}

export const wholeWindow = "";

export const nothingRemembered: RememberedDrift = { judgedMs: [], driftedMs: {}, acceptedMs: {} };

/** What drifted until now is forgotten, and history begins at `sinceMs`: of one column, or of all. */
export function acceptDrift(value: RememberedDrift, sinceMs: number, column: string): RememberedDrift {
  if (!Number.isFinite(sinceMs)) throw new RangeError(`sinceMs must be a finite number, not ${sinceMs}.`);
  const { [column]: _, ...others } = value.driftedMs;
  const driftedMs = column === wholeWindow ? {} : others;
  return { ...value, driftedMs, acceptedMs: { ...value.acceptedMs, [column]: sinceMs } };
}

/** Adds the verdicts on one window, unless it was judged before. @param drifted The names of columns that have drifted. */
export function rememberVerdict(value: RememberedDrift, startMs: number, drifted: readonly string[]): RememberedDrift {
  if (startMs <= (value.judgedMs.at(-1) ?? Number.NEGATIVE_INFINITY)) return value;
  const driftedMs = { ...value.driftedMs };
  for (const name of drifted) driftedMs[name] = [...(driftedMs[name] ?? []), startMs];
  return { ...value, judgedMs: [...value.judgedMs, startMs], driftedMs };
}

/** What is remembered of the model: of windows of another one, only what was accepted. */
export function ofModel(value: RememberedDrift, model: string | undefined): RememberedDrift {
  if (model === undefined || value.model === model) return value;
  return value.model === undefined ? { ...value, model } : { ...value, judgedMs: [], driftedMs: {}, model };
}

/** Forgets windows that are gone. */
export function forgetWindows(value: RememberedDrift, present: ReadonlySet<number>, fromMs: number): RememberedDrift {
  const kept = (starts: readonly number[]): readonly number[] => starts.filter((startMs) => present.has(startMs));
  const drifted = Object.entries(value.driftedMs).map(([name, starts]) => [name, kept(starts)] as const);
  return {
    ...value,
    judgedMs: kept(value.judgedMs),
    driftedMs: Object.fromEntries(drifted.filter(([, starts]) => starts.length > 0)),
    acceptedMs: Object.fromEntries(Object.entries(value.acceptedMs).filter(([, sinceMs]) => sinceMs >= fromMs)),
  };
}

const verdictsOf = ({ judgedMs, driftedMs }: RememberedDrift, name: string): readonly WindowVerdict[] => {
  const drifted = new Set(driftedMs[name]);
  return judgedMs.map((startMs) => ({ startMs, drifted: drifted.has(startMs) }));
};

/** What has drifted for longer than `acceptAfterMs` without a break is the new normal, from its begin on. */
export function acceptLasting(value: RememberedDrift, acceptAfterMs: number): RememberedDrift {
  let accepted = value;
  for (const name of Object.keys(value.driftedMs)) {
    const last = driftEpisodes(verdictsOf(value, name)).at(-1);
    if (last !== undefined && last.toMs - last.fromMs >= acceptAfterMs)
      accepted = acceptDrift(accepted, last.fromMs, name);
  }
  return accepted;
}

/** Which windows are history, of a column by its name. */
export interface DriftHistory {
  /** Whether the window that starts then is history of the column; of all columns: the empty name. */
  holds(startMs: number, column: string): boolean;
  /** Windows that are held out, by column. */
  readonly heldOut: ReadonlyMap<string, number>;
}

export function historyIn(value: RememberedDrift): DriftHistory {
  const held = new Map(
    Object.keys(value.driftedMs).map((name) => [name, heldOutWindows(verdictsOf(value, name))] as const),
  );
  const since = (name: string): number =>
    Object.hasOwn(value.acceptedMs, name) ? (value.acceptedMs[name] as number) : Number.NEGATIVE_INFINITY;
  return {
    holds: (startMs, column) =>
      startMs >= since(column) && startMs >= since(wholeWindow) && held.get(column)?.has(startMs) !== true,
    heldOut: new Map([...held].map(([name, { size }]) => [name, size] as const).filter(([, size]) => size > 0)),
  };
}

function parseVariants(state: unknown): [string, RememberedDrift][] {
  try {
    const { formatVersion, variants } = objectOf(state);
    if (formatVersion !== 1) throw new TypeError(`its format version is ${JSON.stringify(formatVersion)}, not 1`);
    return Object.entries(objectOf(variants)).map(([variant, each]) => {
      const { judgedMs, driftedMs, acceptedMs, model } = objectOf(each);
      if (model !== undefined && typeof model !== "string") throw new TypeError("a digest is no text");
      const drifted = Object.entries(objectOf(driftedMs)).map(([name, starts]) => [name, timesOf(starts)] as const);
      const accepted = Object.entries(objectOf(acceptedMs)).map(([name, sinceMs]) => [name, timeOf(sinceMs)] as const);
      return [
        variant,
        {
          judgedMs: timesOf(judgedMs),
          driftedMs: Object.fromEntries(drifted),
          acceptedMs: Object.fromEntries(accepted),
          ...(model === undefined ? {} : { model }),
        },
      ];
    });
  } catch (error) {
    throw stateInvalid(error instanceof Error ? error.message : String(error), error);
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("an object is missing");
  return value as Readonly<Record<string, unknown>>;
}

function timeOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TypeError("a time is missing");
  return value;
}

function timesOf(value: unknown): readonly number[] {
  if (!Array.isArray(value)) throw new TypeError("a list of times is missing");
  return value.map(timeOf);
}
