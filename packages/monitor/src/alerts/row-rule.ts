import { hasCode } from "@millwright/contracts";
import type { SampledRows } from "../capture/row-sample.ts";
import { ruleInvalid } from "../errors.ts";
import { subjectOf } from "../slo/slo.ts";
import type { Finding } from "./alert-record.ts";
import {
  type AlertRule,
  checkRule,
  evidenceOf,
  type MonitorView,
  type RuleOptions,
  shownPercent,
  type VariantReading,
  variantsOf,
} from "./alert-rule.ts";

/** What rules that look at whole rows have in common. */
export interface RowRuleOptions extends RuleOptions {
  /** Rows that are kept of each window for it, a uniform sample, 1 to 5,000. Default: 500. */
  readonly rowsPerWindow?: number | undefined;
  /** Its judgement stands so long, unless a tenth more has come by then, or another model answers. Default: 60,000. */
  readonly everyMs?: number | undefined;
}

/** What a rule found in the rows of a variant. */
export interface RowJudgement extends Pick<Finding, "state" | "summary" | "value" | "threshold" | "report"> {
  /** Rows that it rests on. Default: all. */
  readonly samples?: number | undefined;
}

export interface RowRuleSite {
  readonly view: MonitorView;
  readonly variant: string;
  readonly reading: VariantReading;
}

export interface RowRule {
  /** The rule's kind: its name where it has none of its own. */
  readonly kind: string;
  readonly windowMs: number;
  readonly severity: Finding["severity"];
  /** Pure. A `MONITOR_ROWS_INVALID` that it throws is an unknown finding. */
  judge(rows: SampledRows, site: RowRuleSite): RowJudgement;
  /** How much there is to judge: when it has grown by a tenth, rows are judged anew. */
  sizeOf(reading: VariantReading): number;
}

/** A rule that judges each variant by a sample of its rows. Throws `MONITOR_RULE_INVALID`. */
export function rowRule(options: RowRuleOptions, { kind, windowMs, severity, judge, sizeOf }: RowRule): AlertRule {
  const { name = kind, endpoint, rowsPerWindow = 500, everyMs = 60_000 } = options;
  checkRule(name, { windowMs: { value: windowMs, above: 0 }, everyMs: { value: everyMs, above: 0 } });
  if (!(Number.isSafeInteger(rowsPerWindow) && rowsPerWindow >= 1 && rowsPerWindow <= 5_000))
    throw ruleInvalid(name, `rowsPerWindow must be a whole number from 1 to 5000, not ${rowsPerWindow}`);
  const known = new Map<string, KnownFinding>();
  const find = (site: RowRuleSite): Finding => {
    const { view, variant, reading } = site;
    const { rows } = reading;
    const model = view.model(endpoint, variant);
    const { samples, ...judged } =
      rows === undefined ? nothingKept : hasKnownShare(rows) ? attempt(() => judge(rows, site)) : someMissing;
    return {
      subject: subjectOf(endpoint, variant),
      severity,
      evidence: {
        ...evidenceOf(view, windowMs, samples ?? rows?.length ?? 0),
        ...(model === undefined ? {} : { model }),
      },
      ...judged,
    };
  };
  return {
    name,
    alerting: options.alerting,
    rows: { endpoint, perWindow: rowsPerWindow },
    evaluate(view) {
      const variants = variantsOf(view, options);
      for (const variant of known.keys()) if (!variants.includes(variant)) known.delete(variant);
      return variants.map((variant) => {
        const reading = view.read(endpoint, variant, windowMs);
        const size = sizeOf(reading);
        const model = view.model(endpoint, variant)?.digest;
        const earlier = known.get(variant);
        // What was found of one model says nothing of the next.
        const isFresh = earlier?.model === model && Math.abs(view.nowMs - (earlier?.atMs ?? 0)) < everyMs;
        if (earlier !== undefined && isFresh && size >= earlier.size && size <= 1.1 * earlier.size)
          return earlier.finding;
        const finding = find({ view, variant, reading });
        known.set(variant, { atMs: view.nowMs, size, model, finding });
        return finding;
      });
    },
  };
}

interface KnownFinding {
  readonly atMs: number;
  readonly size: number;
  /** Digest of the model that it is of. */
  readonly model: string | undefined;
  readonly finding: Finding;
}

const nothingKept: RowJudgement = { state: "unknown", summary: "No rows are kept.", samples: 0 };

/** Whether rows are a sample of all that was read. */
export const hasKnownShare = ({ share }: Pick<SampledRows, "share">): boolean => !Number.isNaN(share);

const someMissing: RowJudgement = {
  state: "unknown",
  summary:
    "Of some rows of the time none is kept, such as those before a restart from a state without rows: what is kept does not speak for all. Have states carry them: `state({ rowsPerWindow })`.",
  samples: 0,
};

/** What the rows do not allow to judge is not known; the summary says why. */
function attempt(judge: () => RowJudgement): RowJudgement {
  try {
    return judge();
  } catch (error) {
    if (!hasCode(error, "MONITOR_ROWS_INVALID")) throw error;
    return { state: "unknown", summary: error.message };
  }
}

/** How many rows were looked at, and whether there were more. */
export const sampleText = (count: number, { share }: Pick<SampledRows, "share">): string =>
  share < 1 ? `${count} rows, a sample of ${shownPercent(share)},` : `${count} rows`;

/** A finding that too few rows are there. */
export const tooFewRows = (count: number, minimum: number, what = "rows"): RowJudgement => ({
  state: "unknown",
  summary: `${count} ${what} of the ${minimum} that are needed.`,
  samples: count,
});
