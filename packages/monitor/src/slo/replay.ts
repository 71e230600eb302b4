import { stringify } from "yaml";
import type { EventCounts } from "./event-counts.ts";
import { alternativesOf, type BurnRateRow } from "./profiles.ts";
import { prometheusDuration, type PrometheusObjective } from "./promql.ts";
import type { Objective } from "./slo.ts";
import { createSloCounts, readObjective } from "./slo-status.ts";

/** Events of one minute; undefined where nothing could be read of it (a scrape that failed, a process that was gone). */
export type TraceMinute = { readonly bad: number; readonly total: number } | undefined;

/** What fired at the end of one minute. */
export interface ReplayedMinute {
  readonly page: boolean;
  readonly ticket: boolean;
  readonly absent: boolean;
  /** By row of the profile. */
  readonly rows: readonly boolean[];
}

const minute = 60_000;

/**
 * What the engine says at the end of each minute of a trace, from no events on. Minute `k` (from 1) holds the events up to that moment; the first of the result
 * stands for the moment before all of them.
 */
export function replayTrace(objective: Objective, trace: readonly TraceMinute[]): readonly ReplayedMinute[] {
  const counts = createSloCounts(objective, { bucketMs: minute });
  const replayed: ReplayedMinute[] = [readMinute(objective, counts, -1)];
  for (const [index, events] of trace.entries()) {
    const nowMs = (index + 1) * minute - 1;
    if (events !== undefined) counts.add(nowMs, events.total - events.bad, events.total);
    replayed.push(readMinute(objective, counts, nowMs));
  }
  return replayed;
}

function readMinute(objective: Objective, counts: EventCounts, nowMs: number): ReplayedMinute {
  const { rows, state } = readObjective(objective, counts, nowMs);
  const fires = (severity: BurnRateRow["severity"]): boolean =>
    rows.some((row) => row.severity === severity && row.state === "firing");
  const each = rows.map((row) => row.state === "firing");
  return { page: fires("page"), ticket: fires("ticket"), absent: state === "absent", rows: each };
}

export interface PromtoolTestOptions {
  /** The file that `prometheusRulesYaml` was written to, as seen from the file of the tests. */
  readonly rulesFile: string;
  /** Name of the test. */
  readonly name?: string | undefined;
  /** What the counters show before the trace. Default: 0. */
  readonly startAt?: number | undefined;
}

/**
 * Unit tests for `promtool test rules`: the trace as series of counters, and what the engine says of it as what must be found: at every minute at which an alert
 * begins or ends and the one before it, in how many minutes it fired until then. So every minute is compared.
 */
export function promtoolTests(
  given: PrometheusObjective,
  trace: readonly TraceMinute[],
  { rulesFile, name = given.objective.name, startAt = 0 }: PromtoolTestOptions,
): string {
  const { counters, objective } = given;
  for (const text of [rulesFile, name, objective.name, counters.total])
    if (typeof text !== "string") throw new TypeError("Names, selectors and files are texts.");
  const replayed = replayTrace(objective, trace);
  const series = [
    { series: counters.total, values: counterOf(trace, startAt, ({ total }) => total) },
    counters.good === undefined
      ? { series: counters.bad, values: counterOf(trace, startAt, ({ bad }) => bad) }
      : { series: counters.good, values: counterOf(trace, startAt, ({ bad, total }) => total - bad) },
  ];
  const test = {
    name,
    interval: "1m",
    input_series: series,
    promql_expr_test: [
      ...alternativesOf(objective.profile).flatMap(({ severity, forMs, rows }) => {
        const fires = replayed.map((each) =>
          objective.profile.some((row, index) => rows.includes(row) && each.rows[index] === true),
        );
        return checksOf(fires, objective.name, { severity, sustained: forMs === 0 ? "" : prometheusDuration(forMs) });
      }),
      ...(objective.missingData === "alarm"
        ? checksOf(
            replayed.map(({ absent }) => absent),
            `${objective.name}-absent`,
            { severity: "page" },
          )
        : []),
    ],
  };
  const file = { rule_files: [rulesFile], evaluation_interval: "1m", tests: [test] };
  return stringify(file, { lineWidth: 0, aliasDuplicateObjects: false });
}

function counterOf(
  trace: readonly TraceMinute[],
  startAt: number,
  read: (events: Exclude<TraceMinute, undefined>) => number,
): string {
  let value = startAt;
  return [
    String(value),
    ...trace.map((events) => {
      if (events === undefined) return "_";
      value += read(events);
      return String(value);
    }),
  ].join(" ");
}

interface ExpressionTest {
  readonly expr: string;
  readonly eval_time: string;
  readonly exp_samples: readonly { readonly labels: string; readonly value: number }[];
}

function checksOf(
  fires: readonly boolean[],
  alertname: string,
  labels: Readonly<Record<string, string>>,
): readonly ExpressionTest[] {
  const matchers = Object.entries({ alertname, alertstate: "firing", ...labels }).map(
    ([label, value]) => `${label}=${JSON.stringify(value)}`,
  );
  const checks: ExpressionTest[] = [];
  let firing = 0;
  for (const [at, isFiring] of fires.entries()) {
    if (isFiring) firing += 1;
    const changes = isFiring !== (fires[at + 1] ?? !isFiring) || isFiring !== (fires[at - 1] ?? isFiring);
    if (!changes) continue;
    const alerts = `ALERTS{${matchers.join(",")}}`;
    checks.push({
      expr: `sum(count_over_time(${alerts}[${at + 1}m]))`,
      eval_time: `${at}m`,
      exp_samples: firing === 0 ? [] : [{ labels: "{}", value: firing }],
    });
  }
  return checks;
}
