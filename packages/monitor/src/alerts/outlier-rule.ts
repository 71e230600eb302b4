import { compileOutlierModel, type OutlierScorer } from "../outliers/outlier-scorer.ts";
import type { OutlierModel } from "../outliers/outlier-model.ts";
import type { SampledRows } from "../capture/row-sample.ts";
import { betaBinomialSurvival } from "../statistics/beta-binomial.ts";
import { binomialSurvival } from "../statistics/distributions.ts";
import { type AlertRule, checkRule, shown, shownPercent } from "./alert-rule.ts";
import { type RowJudgement, rowRule, type RowRuleOptions, sampleText, tooFewRows } from "./row-rule.ts";
import { alertSeverities } from "./severities.ts";

export interface OutlierAlertOptions extends RowRuleOptions {
  readonly model: OutlierModel;
  /** The share of usual rows that the model calls outliers, in (0, 1). Default: what the model knows of it from its own rows, and how surely; 0.01 where it knows nothing. */
  readonly usualShare?: number | undefined;
  /** How many times the usual share matters, at least 1. Default: 2. */
  readonly minimumRatio?: number | undefined;
  /** The chance that usual rows have so many outliers is at most this, in (0, 1). Default: 0.001. */
  readonly alpha?: number | undefined;
  /** Default: 200. */
  readonly minimumRows?: number | undefined;
}

/** Of usual rows: how many outliers there are to expect, and how probable so many are. */
interface Usual {
  readonly share: number;
  survival(outliers: number, rows: number): number;
}

const hourMs = 3_600_000;
const mostTold = 3;

/**
 * Fires when a variant is asked with more outliers than usual rows have: when the exact test says so, and the share is `minimumRatio` times the usual one. What is usual a model fitted with `falseAlarmShare` knows from the rows it
 * held out, and no better than they allow to; with `contamination` from the rows it was fitted on, which it knows a little too well. The summary names the strangest. Default window: 1 hour, default severity: `ticket`.
 * Throws `MONITOR_RULE_INVALID`, `MONITOR_OUTLIER_MODEL_INVALID`.
 */
export function outlierAlert(options: OutlierAlertOptions): AlertRule {
  const { model, usualShare, minimumRatio = 2, alpha = 0.001, minimumRows = 200 } = options;
  const { name = "outliers", windowMs = hourMs, severity = alertSeverities.outliers } = options;
  checkRule(name, {
    alpha: { value: alpha, above: 0, to: 1 },
    minimumRatio: { value: minimumRatio, above: 1 - 1e-12 },
    minimumRows: { value: minimumRows, above: 0 },
    ...(usualShare === undefined ? {} : { usualShare: { value: usualShare, above: 0, to: 1 } }),
  });
  const scorer = compileOutlierModel(model);
  const usual = usualOf(model, usualShare);
  const threshold = Math.min(1, minimumRatio * usual.share);
  return rowRule(options, {
    kind: "outliers",
    windowMs,
    severity,
    sizeOf: ({ requests }) => requests,
    judge(rows): RowJudgement {
      const { length } = rows;
      if (length < minimumRows) return tooFewRows(length, minimumRows);
      const { outliers, strangest } = outliersOf(scorer, rows);
      const pValue = usual.survival(outliers, length);
      const share = outliers / length;
      return {
        state: share < threshold ? "ok" : pValue <= alpha ? "firing" : "unknown",
        value: share,
        threshold,
        summary: `${outliers} of ${sampleText(length, rows)} are outliers, ${shownPercent(share)}; of usual rows ${shownPercent(usual.share)} are, and so many with p = ${shown(pValue)}.${strangest}`,
      };
    },
  });
}

function usualOf({ usual }: OutlierModel, given: number | undefined): Usual {
  if (given === undefined && usual !== undefined) {
    const { rows, above } = usual;
    return {
      share: (above + 1) / (rows + 1),
      survival: (outliers, count) => betaBinomialSurvival(outliers, count, above + 1, rows - above),
    };
  }
  const share = given ?? 0.01;
  return { share, survival: (outliers, count) => (outliers === 0 ? 1 : binomialSurvival(outliers - 1, count, share)) };
}

function outliersOf(
  scorer: OutlierScorer,
  rows: SampledRows,
): { readonly outliers: number; readonly strangest: string } {
  const scores = scorer.scores(rows.features);
  const places = Array.from(scores.keys()).filter((at) => (scores[at] as number) > scorer.threshold);
  const told = places
    .toSorted((a, b) => (scores[b] as number) - (scores[a] as number))
    .slice(0, mostTold)
    .map((at) => `row ${rows.requestRows[at]} of ${rows.requestIds[at]} (score ${shown(scores[at] as number)})`);
  return { outliers: places.length, strangest: told.length === 0 ? "" : ` The strangest: ${told.join(", ")}.` };
}
