import { backtestInvalid, backtestRefused } from "../errors.ts";
import type { BacktestReport } from "./backtest.ts";

/** What a monitor must have shown before it is enabled. */
export interface BacktestPolicy {
  /** Most false alarms a year. */
  readonly falseAlarmsPerYear: number;
  /** `estimate`: what was seen must not be more. `proof`: nor may the upper end of the interval be, which needs a long history. Default: `estimate`. */
  readonly by?: "estimate" | "proof" | undefined;
  /** Largest share of windows without a verdict, in [0, 1]: a monitor that never says anything raises no false alarm. Default: 0.5. */
  readonly withoutVerdict?: number | undefined;
  /** For each drift that must be found: least share, in [0, 1], and longest median delay. */
  readonly drifts?:
    | Readonly<Record<string, { readonly share: number; readonly medianDelayMs?: number | undefined }>>
    | undefined;
}

const shown = (value: number): string => String(Number(value.toPrecision(3)));

/**
 * Lets a monitor pass, or refuses it: throws `MONITOR_BACKTEST_REFUSED` with the figures and what would mend them. Throws `MONITOR_BACKTEST_INVALID` for a policy out of range,
 * or one that names a drift which the report does not.
 */
export function approveBacktest(report: BacktestReport, policy: BacktestPolicy): void {
  const { falseAlarmsPerYear: most, by = "estimate", withoutVerdict = 0.5, drifts = {} } = policy;
  if (!(most >= 0)) throw backtestInvalid(`falseAlarmsPerYear must be at least 0, not ${most}`);
  if (by !== "estimate" && by !== "proof")
    throw backtestInvalid(`by must be "estimate" or "proof", not "${String(by)}"`);
  const { falseAlarms, confidence } = report;
  const problems: string[] = [];
  const remedies: string[] = [];
  const [low, high] = falseAlarms.perYearInterval;
  const seen = `${falseAlarms.alarms} alarms in ${falseAlarms.windows} windows of history are ${shown(falseAlarms.perYear)} false alarms a year (${shown(low)} to ${shown(high)} at ${shown(confidence * 100)} %)`;
  if (falseAlarms.perYear > most) {
    problems.push(`${seen}, and ${shown(most)} are allowed`);
    remedies.push(
      "Make it more careful: a smaller alpha, a larger effect, persistence over windows, or a reference that matches the time of day.",
    );
  } else if (by === "proof" && high > most) {
    problems.push(`${seen}, which does not prove that they are at most ${shown(most)}`);
    remedies.push("Backtest over a longer history, or make it more careful.");
  }
  if (falseAlarms.withoutVerdict > withoutVerdict * falseAlarms.windows) {
    problems.push(`${falseAlarms.withoutVerdict} of ${falseAlarms.windows} windows had no verdict`);
    remedies.push("Take longer windows or more history, or ask for fewer samples.");
  }
  for (const [name, { share, medianDelayMs = Number.POSITIVE_INFINITY }] of Object.entries(drifts)) {
    const found = Object.hasOwn(report.drifts, name) ? report.drifts[name] : undefined;
    if (found === undefined) throw backtestInvalid(`the report knows no drift "${name}"`);
    if (found.share < share) {
      problems.push(
        `the drift "${name}" was found in ${shown(found.share * 100)} % of ${found.repetitions} tries, and ${shown(share * 100)} % are asked for`,
      );
      remedies.push(`Larger windows or a smaller effect that counts would find "${name}" more often.`);
    } else if ((found.medianDelayMs ?? 0) > medianDelayMs) {
      problems.push(
        `finding the drift "${name}" took ${shown((found.medianDelayMs ?? 0) / 3_600_000)} h, and ${shown(medianDelayMs / 3_600_000)} h are allowed`,
      );
      remedies.push(`Shorter windows would find "${name}" sooner.`);
    }
  }
  if (problems.length > 0) throw backtestRefused(problems, remedies);
}
