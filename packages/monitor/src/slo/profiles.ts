/** One row of a burn-rate table: fires when the error ratio is over the threshold in the long window and in the short one. */
export interface BurnRateRow {
  readonly severity: "page" | "ticket";
  readonly longMs: number;
  readonly shortMs: number;
  /** How many times faster than allowed the error budget is spent. */
  readonly burnRate: number;
  /** Fires only where that held in every minute for so long: Prometheus' `for`. A whole number of minutes. Default: 0. */
  readonly forMs?: number | undefined;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

const row = (severity: BurnRateRow["severity"], longMs: number, shortMs: number, burnRate: number): BurnRateRow => ({
  severity,
  longMs,
  shortMs,
  burnRate,
});

/** The SRE workbook's table 5-8, for 30 days: pages after 2 % and 5 % of the budget, a ticket after 10 %. */
export const googleProfile = (): readonly BurnRateRow[] => [
  row("page", hour, 5 * minute, 14.4),
  row("page", 6 * hour, 30 * minute, 6),
  row("ticket", 3 * day, 6 * hour, 1),
];

/** Sloth's `google-30d`: the workbook's table with one more ticket. */
export const slothProfile = (): readonly BurnRateRow[] => [
  ...googleProfile().slice(0, 2),
  row("ticket", day, 2 * hour, 3),
  ...googleProfile().slice(2),
];

/** Pyrra's table, for four weeks. */
export const pyrraProfile = (): readonly BurnRateRow[] => [
  row("page", hour, 5 * minute, 14),
  row("page", 6 * hour, 30 * minute, 7),
  row("ticket", day, 2 * hour, 2),
  row("ticket", 4 * day, 6 * hour, 1),
];

/**
 * The table for another period: windows stay, and burn rates are set so that each row fires after the same share of the budget
 * (burn rate × window / period, as the SRE workbook derives its own).
 */
export function rescaleProfile(
  profile: readonly BurnRateRow[],
  fromPeriodMs: number,
  toPeriodMs: number,
): readonly BurnRateRow[] {
  return profile.map((each) => ({ ...each, burnRate: (each.burnRate * toPeriodMs) / fromPeriodMs }));
}

/**
 * "Burn rate over 2 for an hour": pages in the 61st minute in which errors of the last five minutes spend the budget more than twice as fast as allowed,
 * and not on a spike of 50.
 */
export const sustainedProfile = ({
  burnRate = 2,
  windowMs = 5 * minute,
  forMs = hour,
  severity = "page",
}: Partial<SustainedOptions> = {}): readonly BurnRateRow[] => [
  { severity, longMs: windowMs, shortMs: windowMs, burnRate, forMs },
];

export interface SustainedOptions {
  /** Default: 2. */
  readonly burnRate: number;
  /** Default: 5 minutes. */
  readonly windowMs: number;
  /** Default: 1 hour. */
  readonly forMs: number;
  /** Default: `"page"`. */
  readonly severity: BurnRateRow["severity"];
}

/** A percentile over its objective for a while: with a latency indicator and an objective of 0.99, burn rate 1 is "P99 is over the threshold". Pages. */
export const sustainedLatencyProfile = (options: Partial<SustainedOptions> = {}): readonly BurnRateRow[] =>
  sustainedProfile({ burnRate: 1, forMs: 10 * minute, ...options });

const rounded = new Map<number, number>();
const mostRounded = 10_000;

/** The number in the twelve decimal digits it was meant in: 0.0144, and not 0.014400000000000013. */
export function decimalOf(value: number): number {
  const known = rounded.get(value);
  if (known !== undefined) return known;
  if (rounded.size >= mostRounded) rounded.clear();
  const decimal = Number(value.toPrecision(12));
  rounded.set(value, decimal);
  return decimal;
}

/**
 * The error ratio at which a row fires: burn rate × (1 − objective), in the decimal digits it was meant in, so that a ratio of whole numbers that meets it
 * does. The same number stands in exported rules.
 */
export const thresholdOf = (objective: number, { burnRate }: Pick<BurnRateRow, "burnRate">): number =>
  decimalOf(burnRate * (1 - objective));

/** 1 − objective. */
export const allowedRatio = (objective: number): number => decimalOf(1 - objective);

/** Rows of one severity that must hold for the same time: alternatives. */
export interface Alternatives {
  readonly severity: BurnRateRow["severity"];
  readonly forMs: number;
  readonly rows: readonly BurnRateRow[];
}

export function alternativesOf(profile: readonly BurnRateRow[]): readonly Alternatives[] {
  const groups = new Map<string, Alternatives>();
  for (const row of profile) {
    const { severity, forMs = 0 } = row;
    const key = `${severity} ${forMs}`;
    groups.set(key, { severity, forMs, rows: [...(groups.get(key)?.rows ?? []), row] });
  }
  return [...groups.values()];
}
