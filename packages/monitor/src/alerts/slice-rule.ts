import { ruleInvalid } from "../errors.ts";
import { checkedSearch, findSlices, type FindSlicesOptions, type Slice } from "../slices/find-slices.ts";
import { type AlertRule, checkRule, shown, shownPercent } from "./alert-rule.ts";
import { type AnswerOptions, answeredRows, labelledRows } from "./labelled-rows.ts";
import { type RowJudgement, rowRule, type RowRuleOptions, sampleText, tooFewRows } from "./row-rule.ts";
import { alertSeverities } from "./severities.ts";

export interface SliceAlertOptions extends RowRuleOptions, AnswerOptions, Omit<FindSlicesOptions, "alpha" | "random"> {
  /** What a row loses. Default: the squared difference of answer and truth. */
  readonly loss?: ((answer: number, truth: number) => number) | undefined;
  /** The chance of naming any slice where none is worse, and the expected share of those named that are no worse, in (0, 1). Default: 0.01. */
  readonly alpha?: number | undefined;
  /** A slice matters when it loses so many times what the rest loses, at least 1. Default: 1.5. */
  readonly minimumRatio?: number | undefined;
  /** Default: 500. */
  readonly minimumLabels?: number | undefined;
  /** Its judgement stands so long, unless a tenth more labels have come by then, or another model answers: the search takes a third of a second for 5,000 rows of 16 columns. Default: 600,000. */
  readonly everyMs?: number | undefined;
}

const dayMs = 86_400_000;
const mostTold = 3;

/**
 * Fires when there are slices of rows on which the model surely does worse than on the rest, by `findSlices` on the rows whose labels came: up to three conditions on features, searched on one half and tested on the other, with the false-discovery
 * rate held. The summary names the worst. Labels join as `MonitorOptions.quality` says for the endpoint. Default window: 7 days, default severity: `ticket`. Throws `MONITOR_RULE_INVALID`, and a RangeError for options of the search.
 */
export function sliceAlert(options: SliceAlertOptions): AlertRule {
  const { name = "slices", alpha = 0.01, minimumRatio = 1.5, minimumLabels = 500, windowMs = 7 * dayMs } = options;
  const { loss = squared, severity = alertSeverities.slices } = options;
  checkRule(name, {
    alpha: { value: alpha, above: 0, to: 1 },
    minimumRatio: { value: minimumRatio, above: 1 - 1e-12 },
    minimumLabels: { value: minimumLabels, above: 19 },
  });
  if (alpha === 1) throw ruleInvalid(name, "alpha must be below 1");
  const { columns, maxConditions, minimumRows, bins, beamWidth, candidates } = options;
  const search = { columns, maxConditions, minimumRows, bins, beamWidth, candidates, alpha };
  checkedSearch(search);
  return rowRule(
    { ...options, everyMs: options.everyMs ?? 600_000 },
    {
      kind: "slices",
      windowMs,
      severity,
      sizeOf: ({ quality }) => quality.labels,
      judge(rows): RowJudgement {
        const { features, answers, truths } = labelledRows(answeredRows(rows, options));
        if (truths.length < minimumLabels) return tooFewRows(truths.length, minimumLabels, "labelled rows");
        const report = findSlices(
          features,
          truths.map((truth, row) => loss(answers[row] as number, truth)),
          search,
        );
        const worse = report.slices.filter(({ meanLoss, restLoss }) => meanLoss >= minimumRatio * restLoss);
        const judged = judgeSlices(worse, report.meanLoss, sampleText(truths.length, rows));
        const threshold = (minimumRatio - 1) * (worse[0]?.restLoss ?? report.meanLoss);
        return { ...judged, threshold, samples: truths.length };
      },
    },
  );
}

function judgeSlices(
  worse: readonly Slice[],
  meanLoss: number,
  of: string,
): Pick<RowJudgement, "state" | "summary" | "value"> {
  const [worst] = worse;
  if (worst === undefined)
    return {
      state: "ok",
      value: 0,
      summary: `No slice of ${of} with labels is surely worse than the rest; the mean loss is ${shown(meanLoss)}.`,
    };
  const told = worse
    .slice(0, mostTold)
    .map(
      (slice) =>
        `${slice.text} (${shownPercent(slice.share)} of the rows) loses ${shown(slice.meanLoss)} a row, the rest ${shown(slice.restLoss)} (adjusted p = ${shown(slice.adjustedPValue)})`,
    );
  const more = worse.length > mostTold ? ` ${worse.length - mostTold} more.` : "";
  return { state: "firing", value: worst.difference, summary: `Of ${of} with labels: ${told.join("; ")}.${more}` };
}

const squared = (answer: number, truth: number): number => (answer - truth) ** 2;
