import { distributionDistance } from "../distribution-distance.ts";
import type { ColumnProfile, Profile } from "../profile.ts";
import { parseProfile } from "../profile-json.ts";
import { summarizeProfile } from "../profile-summary.ts";
import type { CheckState, ExpectationProblem } from "./check-state.ts";
import type { ExpectationState } from "./evaluate-expectations.ts";
import { type ColumnStatistic, columnsOf, type Expectation, type ExpectationSeverity } from "./expectation.ts";

/** `undecided`: a bound on keys was met, and the rows beyond it could change the outcome. */
export type ExpectationOutcome = "passed" | "failed" | "undecided";

export interface ExpectationResult {
  readonly name: string;
  readonly kind: Expectation["kind"];
  readonly columns: readonly string[];
  readonly severity: ExpectationSeverity;
  readonly outcome: ExpectationOutcome;
  /** Rows looked at: those without a null in the columns, but for `complete` and expectations of the whole table. */
  readonly evaluated: number;
  /** Rows that violate, at least; exact where `unknown` is 0. */
  readonly violations: number;
  /** Rows that may violate as well. */
  readonly unknown: number;
  /**
   * Of rows: the share that does not violate (1 without rows). `rowCount`: the rows. `fresh`: the age in milliseconds, from 0. `statistic`: its value.
   * `distribution`: the distance. Absent where there is none.
   */
  readonly observed?: number | undefined;
  /** The first violating rows, growing, from 0. */
  readonly samples: readonly number[];
  readonly problem?: { readonly code: ExpectationProblem; readonly detail: string } | undefined;
}

/** JSON-safe. */
export interface ExpectationReport {
  readonly formatVersion: 1;
  readonly rows: number;
  /** True where every expectation of severity `error` passed. */
  readonly passed: boolean;
  /** In the order of the expectations. */
  readonly results: readonly ExpectationResult[];
}

export interface ExpectationReportOptions {
  /** The time that freshness is measured from, milliseconds since 1970. Needed where an expectation is `fresh`. */
  readonly nowMs?: number | undefined;
}

/** @returns what a state says of each expectation. Throws a TypeError where an expectation is `fresh` and `nowMs` is not given. */
export function reportExpectations(
  { set, rows, checks, profile }: ExpectationState,
  { nowMs }: ExpectationReportOptions = {},
): ExpectationReport {
  const results = set.expectations.map((expectation, index): ExpectationResult => {
    const check = checks[index] as CheckState;
    const verdict =
      check.problem === undefined
        ? judge(expectation, check, { rows, profile, nowMs })
        : { outcome: "failed" as const, problem: check.problem };
    return {
      name: expectation.name,
      kind: expectation.kind,
      columns: columnsOf(expectation),
      severity: expectation.severity,
      evaluated: ofTable(expectation) ? rows : check.evaluated,
      violations: check.violations,
      unknown: check.unknown,
      samples: check.samples,
      ...verdict,
    };
  });
  const passed = results.every(({ severity, outcome }) => severity !== "error" || outcome === "passed");
  return { formatVersion: 1, rows, passed, results };
}

const ofTable = ({ kind }: Expectation): boolean =>
  kind === "rowCount" || kind === "statistic" || kind === "distribution";

type Verdict = Pick<ExpectationResult, "outcome" | "observed" | "problem">;

interface Table {
  readonly rows: number;
  readonly profile: Profile;
  readonly nowMs: number | undefined;
}

function judge(expectation: Expectation, check: CheckState, { rows, profile, nowMs }: Table): Verdict {
  switch (expectation.kind) {
    case "rowCount":
      return within(expectation, rows);
    case "fresh": {
      if (nowMs === undefined) throw new TypeError(`The expectation "${expectation.name}" needs nowMs.`);
      if (check.newestMs === undefined) return noValue(expectation.column);
      return within({ max: expectation.maxAgeMs }, Math.max(0, nowMs - check.newestMs));
    }
    case "statistic":
      return valueWithin(
        expectation.column,
        expectation,
        statisticOf(profile, expectation.column, expectation.statistic),
      );
    case "distribution": {
      const reference = parseProfile(expectation.reference).columns[expectation.column] as ColumnProfile;
      const current = profile.columns[expectation.column] as ColumnProfile;
      const distance = distributionDistance(reference, current, { method: expectation.method });
      return valueWithin(expectation.column, { max: expectation.maxDistance }, distance);
    }
    default:
      return judgeRows(expectation.mostly, check);
  }
}

function within(
  {
    min = Number.NEGATIVE_INFINITY,
    max = Number.POSITIVE_INFINITY,
  }: { readonly min?: number | undefined; readonly max?: number | undefined },
  observed: number,
): Verdict {
  return { outcome: observed >= min && observed <= max ? "passed" : "failed", observed };
}

function valueWithin(
  column: string,
  bounds: { readonly min?: number | undefined; readonly max?: number | undefined },
  observed: number | undefined,
): Verdict {
  return observed === undefined || Number.isNaN(observed) ? noValue(column) : within(bounds, observed);
}

const noValue = (column: string): Verdict => ({
  outcome: "failed",
  problem: { code: "noValue", detail: `The column "${column}" has no value to look at.` },
});

function statisticOf(profile: Profile, column: string, statistic: ColumnStatistic): number | undefined {
  const [summary] = summarizeProfile({
    rows: profile.rows,
    columns: { [column]: profile.columns[column] as ColumnProfile },
  });
  if (summary === undefined || summary.count === 0) return undefined;
  switch (statistic) {
    case "median":
      return summary.quantiles?.p50;
    case "p05":
    case "p95":
      return summary.quantiles?.[statistic];
    case "distinctCount":
      return summary.distinct;
    default:
      return summary[statistic];
  }
}

function judgeRows(mostly: number, { evaluated, violations, unknown }: CheckState): Verdict {
  const holds = (violating: number): boolean => evaluated === 0 || (evaluated - violating) / evaluated >= mostly;
  const observed = evaluated === 0 ? 1 : (evaluated - violations) / evaluated;
  if (!holds(violations)) return { outcome: "failed", observed };
  if (holds(violations + unknown)) return { outcome: "passed", observed };
  const detail = `More distinct keys than are kept: between ${violations} and ${violations + unknown} rows violate. Raise maxKeys.`;
  return { outcome: "undecided", observed, problem: { code: "keysExceeded", detail } };
}
