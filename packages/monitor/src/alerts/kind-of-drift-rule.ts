import type { Batch } from "@millwright/contracts";
import { type DriftKind, type KindOfDrift, kindOfDrift, type OutcomeWindow } from "../drift/kind-of-drift.ts";
import { ruleInvalid } from "../errors.ts";
import { type AlertRule, checkRule, shown } from "./alert-rule.ts";
import { type AnsweredRows, type AnswerOptions, answeredRows } from "./labelled-rows.ts";
import {
  hasKnownShare,
  type RowJudgement,
  rowRule,
  type RowRuleOptions,
  type RowRuleSite,
  tooFewRows,
} from "./row-rule.ts";
import { alertSeverities } from "./severities.ts";

/** Kinds of drift that an alert may be about. */
export type AlarmingKind = "concept" | "covariate" | "prior";

export interface KindOfDriftAlertOptions extends RowRuleOptions, AnswerOptions {
  /** What was right: features, answers and labels. Columns that the live rows lack are left out. Default: the variant's own rows of `historyMs` before the window. */
  readonly reference?: OutcomeWindow | undefined;
  /** Without a reference: how far back before the window the rows are compared with. Default: 6 days. */
  readonly historyMs?: number | undefined;
  /** Default: `["concept"]`. */
  readonly kinds?: readonly AlarmingKind[] | undefined;
  /** As `kindOfDrift`. Default: 0.001. */
  readonly alpha?: number | undefined;
  /** Fewest rows, and labelled rows, on both sides. Default: 200. */
  readonly minimumSamples?: number | undefined;
  /** As `kindOfDrift`. Default: 10. */
  readonly bins?: number | undefined;
  /** As `kindOfDrift`. Default: 0.05. */
  readonly minimumChange?: number | undefined;
}

const dayMs = 86_400_000;
const kindsOfDrift: readonly DriftKind[] = ["concept", "covariate", "prior"];

/**
 * Fires when a variant's rows have drifted in one of the `kinds` between a reference, or its own earlier rows, and the window: features (`covariate`), labels (`prior`), or what labels are where answers are alike (`concept`), which is when a model has
 * become wrong. Without enough labels it is `unknown`. Labels join as `MonitorOptions.quality` says for the endpoint. Default window: 24 hours, default severity: `ticket`. Throws `MONITOR_RULE_INVALID`.
 */
export function kindOfDriftAlert(options: KindOfDriftAlertOptions): AlertRule {
  const { name = "kind-of-drift", reference, windowMs = dayMs, historyMs = 6 * dayMs } = options;
  const { kinds = ["concept"], alpha = 0.001, minimumSamples = 200, bins = 10, minimumChange = 0.05 } = options;
  const { severity = alertSeverities["kind-of-drift"], endpoint } = options;
  checkRule(name, {
    historyMs: { value: historyMs, above: 0 },
    alpha: { value: alpha, above: 0, to: 1 },
    minimumSamples: { value: minimumSamples, above: 0 },
    minimumChange: { value: minimumChange, above: -1e-12, to: 1 },
    bins: { value: bins, above: 0, to: 1000 },
  });
  if (alpha === 1 || !Number.isSafeInteger(bins)) throw ruleInvalid(name, "alpha must be below 1, and bins whole");
  if (kinds.length === 0 || kinds.some((kind) => !kindsOfDrift.includes(kind)))
    throw ruleInvalid(name, `kinds must be some of ${kindsOfDrift.join(", ")}, not ${kinds.join(", ") || "none"}`);
  const earlier = ({ view, variant }: RowRuleSite): OutcomeWindow | undefined => {
    const { rows } = view.read(endpoint, variant, historyMs, view.nowMs - windowMs);
    return rows === undefined || !hasKnownShare(rows) ? undefined : outcomeOf(answeredRows(rows, options));
  };
  return rowRule(options, {
    kind: "kind-of-drift",
    windowMs,
    severity,
    sizeOf: ({ requests, quality }) => requests + quality.labels,
    judge(rows, site): RowJudgement {
      const before = reference ?? earlier(site);
      const now = outcomeOf(answeredRows(rows, options));
      if (before === undefined || before.features.length < minimumSamples)
        return {
          ...tooFewRows(before?.features.length ?? 0, minimumSamples, "earlier rows"),
          samples: now.features.length,
        };
      const sides = sharedColumns(before, now);
      const found = kindOfDrift(sides.before, sides.now, { alpha, minimumSamples, bins, minimumChange });
      return { ...judgeKind(found, kinds, minimumChange, sides.leftOut), samples: now.features.length };
    },
  });
}

const outcomeOf = ({ features, answers, truths }: AnsweredRows): OutcomeWindow => ({
  features,
  predictions: answers,
  labels: truths,
});

function judgeKind(
  { kinds: found, reasons, evidence }: KindOfDrift,
  wanted: readonly AlarmingKind[],
  minimumChange: number,
  leftOut: readonly string[],
): RowJudgement {
  const fires = wanted.filter((kind) => found.includes(kind));
  const isLabelled = evidence.labels !== undefined;
  const change = evidence.changeGivenPredictions;
  const notes = [
    ...(isLabelled ? [] : ["Too few labels came to tell drift of the concept."]),
    ...(leftOut.length === 0 ? [] : [`Left out, since one side has no such column: ${leftOut.join(", ")}.`]),
  ];
  const p = Object.entries(evidence).filter(([part]) => part !== "changeGivenPredictions");
  const figures = `p: ${p.map(([part, value]) => `${part} ${shown(value as number)}`).join(", ")}.`;
  const kind = found.filter((each) => kindsOfDrift.includes(each)).join(" and ");
  const told = kind === "" ? "No drift of a kind that labels tell is found." : `Drift of the kind ${kind}.`;
  return {
    state: fires.length > 0 ? "firing" : isLabelled ? "ok" : "unknown",
    threshold: minimumChange,
    ...(change === undefined ? {} : { value: change }),
    summary: [told, ...reasons, figures, ...notes].join(" "),
  };
}

/** Both sides with the columns that both have. */
function sharedColumns(
  before: OutcomeWindow,
  now: OutcomeWindow,
): { readonly before: OutcomeWindow; readonly now: OutcomeWindow; readonly leftOut: readonly string[] } {
  const names = [before, now].map(({ features }) => Object.keys(features.columns));
  const all = [...new Set(names.flat())];
  const shared = all.filter((name) => names.every((each) => each.includes(name)));
  const only = ({ length, columns }: Batch): Batch => ({
    length,
    columns: Object.fromEntries(Object.entries(columns).filter(([name]) => shared.includes(name))),
  });
  return {
    before: { ...before, features: only(before.features) },
    now: { ...now, features: only(now.features) },
    leftOut: all.filter((name) => !shared.includes(name)),
  };
}
