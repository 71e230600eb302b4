import { injectionInvalid } from "../errors.ts";
import { abrupt, type DriftShape } from "./drift-shape.ts";

/** One drift of one column; plain data, made by the functions of its kinds. */
export type DriftInjection = { readonly column: string; readonly when: DriftShape } & (
  | { readonly kind: "shift"; readonly by: number }
  | { readonly kind: "scale"; readonly by: number; readonly around: number }
  | { readonly kind: "unit"; readonly factor: number; readonly offset: number }
  | { readonly kind: "season"; readonly amplitude: number; readonly periodRows: number; readonly phase: number }
  | { readonly kind: "missing"; readonly share: number }
  | { readonly kind: "swap"; readonly a: string; readonly b: string }
  | { readonly kind: "flip"; readonly share: number; readonly labels: readonly [number | string, number | string] }
  | { readonly kind: "lag"; readonly rows: number }
);

export interface InjectionOptions {
  /** Default: all rows. */
  readonly when?: DriftShape | undefined;
}

const wholeStream = (): DriftShape => abrupt(0);

function check(kind: string, column: unknown, numbers: Readonly<Record<string, unknown>>): void {
  if (typeof column !== "string") throw injectionInvalid(kind, "its column has no name");
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value !== "number" || !Number.isFinite(value))
      throw injectionInvalid(kind, `${name} must be a finite number`);
  }
}

function checkShare(kind: string, share: number): void {
  if (!(share >= 0 && share <= 1)) throw injectionInvalid(kind, `share must be in [0, 1], not ${share}`);
}

/** Adds `by` to the numbers of a column; an incremental drift adds a part of it. Throws `MONITOR_INJECTION_INVALID`, as all functions here. */
export function shift(column: string, by: number, { when = wholeStream() }: InjectionOptions = {}): DriftInjection {
  check("shift", column, { by });
  return { kind: "shift", column, when, by };
}

/** Multiplies the distance of numbers from `around` by `by`. Default: around 0. */
export function scale(
  column: string,
  by: number,
  { when = wholeStream(), around = 0 }: InjectionOptions & { readonly around?: number | undefined } = {},
): DriftInjection {
  check("scale", column, { by, around });
  return { kind: "scale", column, when, by, around };
}

/** Tells numbers in another unit: value × factor + offset. There is no half of it: an incremental drift changes the unit at once. */
export function changeUnit(
  column: string,
  {
    factor,
    offset = 0,
    when = wholeStream(),
  }: InjectionOptions & { readonly factor: number; readonly offset?: number | undefined },
): DriftInjection {
  check("unit", column, { factor, offset });
  return { kind: "unit", column, when, factor, offset };
}

/** Adds amplitude × sin(2π × row / periodRows + phase) to numbers. */
export function season(
  column: string,
  {
    amplitude,
    periodRows,
    phase = 0,
    when = wholeStream(),
  }: InjectionOptions & {
    readonly amplitude: number;
    readonly periodRows: number;
    /** Radians. Default: 0. */
    readonly phase?: number | undefined;
  },
): DriftInjection {
  check("season", column, { amplitude, periodRows, phase });
  if (!(periodRows > 0)) throw injectionInvalid("season", "periodRows must be greater than 0");
  return { kind: "season", column, when, amplitude, periodRows, phase };
}

/** Makes a share of the values null, at random. */
export function missing(
  column: string,
  share: number,
  { when = wholeStream() }: InjectionOptions = {},
): DriftInjection {
  check("missing", column, { share });
  checkShare("missing", share);
  return { kind: "missing", column, when, share };
}

/** Exchanges two texts of a column: each `a` becomes `b`, each `b` becomes `a`. */
export function swapCategories(
  column: string,
  a: string,
  b: string,
  { when = wholeStream() }: InjectionOptions = {},
): DriftInjection {
  check("swap", column, {});
  if (typeof a !== "string" || typeof b !== "string") throw injectionInvalid("swap", "both categories must be texts");
  return { kind: "swap", column, when, a, b };
}

/** Exchanges two labels in a share of the rows, at random: booleans, numbers or texts. Default: 0 and 1, which for booleans are false and true. */
export function flipLabels(
  column: string,
  share: number,
  {
    when = wholeStream(),
    labels = [0, 1],
  }: InjectionOptions & { readonly labels?: readonly [number | string, number | string] | undefined } = {},
): DriftInjection {
  check("flip", column, { share });
  checkShare("flip", share);
  if (!Array.isArray(labels) || labels.length !== 2) throw injectionInvalid("flip", "labels must be a pair");
  return { kind: "flip", column, when, share, labels: [labels[0], labels[1]] };
}

/** Gives each row the value of the row so many before it, as a feature that comes late; null where there was none. */
export function lag(column: string, rows: number, { when = wholeStream() }: InjectionOptions = {}): DriftInjection {
  check("lag", column, { rows });
  if (!(Number.isInteger(rows) && rows >= 1))
    throw injectionInvalid("lag", `rows must be a whole number of at least 1, not ${rows}`);
  return { kind: "lag", column, when, rows };
}
