import { createRandom } from "@millwright/contracts";
import { independentPairs } from "../statistics/paired-difference.ts";
import { type CompareSignaturesOptions, type CompatibilityClass, compareSignatures } from "./compatibility.ts";
import type { Gate, GateContext, GateVerdict } from "./gates.ts";
import type { DescribedVersion } from "./version-records.ts";

export interface MetricGateOptions {
  readonly metric: string;
  readonly direction: "maximize" | "minimize";
  /** The improvement over the champion that must be shown; below 0: how much worse it may be. Default: 0. */
  readonly improvement?: number | undefined;
  /** Of the interval whose worse end counts. In (0, 1). Default: 0.95. */
  readonly confidence?: number | undefined;
  /** Measurements of a version that pair with those of another, such as one per fold. Default: the series of the metric in its run, by step. */
  readonly samples?: ((version: DescribedVersion, context: GateContext) => Promise<readonly number[]>) | undefined;
}

/**
 * Closed unless the candidate beats the champion on a metric: the worse end of the interval of the mean paired difference counts where both
 * have 5 or more paired measurements; the difference of the packages' metrics where not, and the verdict says so. Open where there is no champion.
 */
export function metricGate(options: MetricGateOptions): Gate {
  const { metric, direction, improvement = 0, confidence = 0.95, samples = seriesOf(metric) } = options;
  const sign = direction === "maximize" ? 1 : -1;
  return {
    name: `metric ${metric}`,
    async check(context) {
      const { candidate, champion } = context;
      if (champion === undefined) return { passed: true, reason: "There is no champion to beat." };
      const [ours, theirs] = await Promise.all([samples(candidate, context), samples(champion, context)]);
      if (ours.length >= fewestPairs && ours.length === theirs.length) {
        const differences = ours.map((value, index) => sign * (value - (theirs[index] as number)));
        const alpha = 1 - confidence;
        const interval = independentPairs(differences, { alpha, random: createRandom(seed), resamples });
        const { mean, low = -Infinity, high = Infinity } = interval;
        const passed = low >= improvement;
        const reason = `The improvement in ${metric} is ${show(mean)} (${show(low)} to ${show(high)}), and ${improvement} or more must be shown.`;
        return { passed, reason, evidence: { mean, low, high, confidence, pairs: ours.length, improvement } };
      }
      return compareScalars(candidate, champion, { metric, sign, improvement });
    },
  };
}

const fewestPairs = 5;
const seed = 20_240_501;
const resamples = 2000;

function compareScalars(
  candidate: DescribedVersion,
  champion: DescribedVersion,
  { metric, sign, improvement }: { readonly metric: string; readonly sign: number; readonly improvement: number },
): GateVerdict {
  const ours = candidate.manifest.provenance.metrics[metric];
  const theirs = champion.manifest.provenance.metrics[metric];
  if (ours === undefined || theirs === undefined)
    return { passed: false, reason: `${ours === undefined ? "The candidate" : "The champion"} has no ${metric}.` };
  const difference = sign * (ours - theirs);
  const reason = `The improvement in ${metric} is ${show(difference)}, of single numbers without an interval, and ${improvement} or more is wanted.`;
  return { passed: difference >= improvement, reason, evidence: { candidate: ours, champion: theirs, improvement } };
}

const seriesOf =
  (metric: string) =>
  async ({ runId }: DescribedVersion, { registry, signal }: GateContext): Promise<readonly number[]> =>
    runId === undefined ? [] : (await registry.series(runId, metric, { signal })).map(({ value }) => value);

export interface BoundGateOptions {
  readonly metric: string;
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
}

/** Closed unless a metric of the package is within bounds: a bias, a calibration error. */
export function boundGate({ metric, atLeast = -Infinity, atMost = Infinity }: BoundGateOptions): Gate {
  return {
    name: `bound ${metric}`,
    check({ candidate }) {
      const value = candidate.manifest.provenance.metrics[metric];
      if (value === undefined) return { passed: false, reason: `The package has no metric "${metric}".` };
      const bounds = [
        ...(Number.isFinite(atLeast) ? [`at least ${atLeast}`] : []),
        ...(Number.isFinite(atMost) ? [`at most ${atMost}`] : []),
      ];
      const reason = `${metric} is ${show(value)} and must be ${bounds.join(" and ")}.`;
      return { passed: value >= atLeast && value <= atMost, reason, evidence: { value } };
    },
  };
}

/** Closed unless the version carries what drift is measured against: the profile of its training data, or baselines registered with it. */
export function driftBaselineGate(): Gate {
  return {
    name: "drift baseline",
    async check({ candidate, registry, signal }) {
      const { name, version, manifest } = candidate;
      const kinds = Object.keys(await registry.baselines(name, version, { signal }));
      if (manifest.profile !== undefined)
        return { passed: true, reason: "The package has the profile of its training data." };
      if (kinds.includes("statistics")) return { passed: true, reason: "Statistics were registered with the version." };
      return { passed: false, reason: "Neither the package nor the registration has a baseline of the training data." };
    },
  };
}

export interface SignatureGateOptions extends CompareSignaturesOptions {
  /** The gravest change that may pass. Default: `additive`. */
  readonly allow?: Exclude<CompatibilityClass, "breaking"> | undefined;
}

/** Closed where callers of the champion could not call the candidate. Open where there is no champion. */
export function signatureGate({ allow = "additive", ...options }: SignatureGateOptions = {}): Gate {
  return {
    name: "signature",
    check({ candidate, champion }) {
      if (champion === undefined) return { passed: true, reason: "There is no champion whose callers could break." };
      const comparison = compareSignatures(champion.manifest.signature, candidate.manifest.signature, options);
      const passed = comparison.class === "compatible" || comparison.class === allow;
      const changes = comparison.changes.map(({ change }) => change);
      const reason = `The signature is ${comparison.class}${changes.length === 0 ? "" : `: ${changes.join("; ")}`}.`;
      return { passed, reason, evidence: { class: comparison.class, changes } };
    },
  };
}

export interface LatencyGateOptions {
  /** Answers some requests with the model in the directory. @returns how long each took, in milliseconds. */
  readonly measure: (directory: string, context: GateContext) => Promise<readonly number[]>;
  /** In (0, 1). Default: 0.99. */
  readonly quantile?: number | undefined;
  readonly atMostMs: number;
}

/** Closed where the model answers too slowly, measured on the verified package. */
export function latencyGate({ measure, quantile = 0.99, atMostMs }: LatencyGateOptions): Gate {
  return {
    name: "latency",
    async check(context) {
      const { candidate, registry, signal } = context;
      const { directory } = await registry.resolve(`${candidate.name}/${candidate.version}`, { signal });
      const times = (await measure(directory, context)).toSorted((a, b) => a - b);
      if (times.length === 0) return { passed: false, reason: "Nothing was measured." };
      const value = times[Math.min(times.length - 1, Math.ceil(quantile * times.length) - 1)] as number;
      const reason = `${quantile * 100} % of ${times.length} requests took ${show(value)} ms or less, and ${atMostMs} is the limit.`;
      return { passed: value <= atMostMs, reason, evidence: { valueMs: value, requests: times.length, quantile } };
    },
  };
}

export interface ScanGateOptions {
  /** Looks through a package. @returns what is wrong with it, a sentence each. */
  readonly scan: (
    directory: string,
    options: { readonly signal: AbortSignal | undefined },
  ) => Promise<readonly string[]>;
}

/** Closed where a scan of the verified package finds anything. */
export function scanGate({ scan }: ScanGateOptions): Gate {
  return {
    name: "scan",
    async check({ candidate, registry, signal }) {
      const { directory } = await registry.resolve(`${candidate.name}/${candidate.version}`, { signal });
      const findings = [...(await scan(directory, { signal }))];
      const reason = findings.length === 0 ? "The scan found nothing." : `The scan found: ${findings.join("; ")}`;
      return { passed: findings.length === 0, reason, evidence: { findings } };
    },
  };
}

export interface CardGateOptions {
  /** What a version's model card still lacks, a name each. Default: what `missingEvidence` of the registry says. */
  readonly missing?: ((name: string, version: number, context: GateContext) => Promise<readonly string[]>) | undefined;
}

/** Closed while the model card is not complete. */
export function cardGate({ missing = missingEvidence }: CardGateOptions = {}): Gate {
  return {
    name: "model card",
    async check(context) {
      const { name, version } = context.candidate;
      const lacking = [...(await missing(name, version, context))];
      const reason =
        lacking.length === 0 ? "The model card is complete." : `The model card lacks ${lacking.join(", ")}.`;
      return { passed: lacking.length === 0, reason, evidence: { missing: lacking } };
    },
  };
}

const missingEvidence: NonNullable<CardGateOptions["missing"]> = (name, version, { registry, signal }) =>
  registry.missingEvidence(name, version, { signal });

export interface ApprovalsGateOptions {
  /** How many different people must have approved, since the last rejection. Default: 1. */
  readonly count?: number | undefined;
  /** Whether who registered the version, or started its run, counts. Default: false. */
  readonly countMakers?: boolean | undefined;
}

/** Closed until enough people have approved the version. */
export function approvalsGate({ count = 1, countMakers = false }: ApprovalsGateOptions = {}): Gate {
  return {
    name: "approvals",
    async check(context) {
      const { candidate, registry, signal } = context;
      const decisions = await registry.approvals(candidate.name, candidate.version, { signal });
      const since = decisions.findLastIndex(({ status }) => status === "rejected") + 1;
      const makers = countMakers ? [] : await makersOf(context);
      const approvers = new Set(decisions.slice(since).flatMap(({ by, approvers: all = [by] }) => all));
      for (const maker of makers) approvers.delete(maker);
      const reason = `${approvers.size} of ${count} approved${makers.length === 0 ? "" : ", those who made it aside"}.`;
      return { passed: approvers.size >= count, reason, evidence: { approvers: [...approvers], count } };
    },
  };
}

/** Closed to whoever registered the version or started its run, and to whoever does not say who they are. */
export function separationGate(): Gate {
  return {
    name: "separation of duties",
    async check(context) {
      const { by } = context;
      if (by === undefined) return { passed: false, reason: "Nobody said who wants through." };
      const isMaker = (await makersOf(context)).includes(by);
      return { passed: !isMaker, reason: isMaker ? `${by} made the version.` : `${by} did not make the version.` };
    },
  };
}

async function makersOf({ candidate, registry, signal }: GateContext): Promise<readonly string[]> {
  const { registeredBy, runId } = candidate;
  const run = runId === undefined ? undefined : await registry.run(runId, { signal }).catch(() => undefined);
  return [registeredBy, run?.startedBy].filter((each) => each !== undefined);
}

const show = (value: number): string => String(Number(value.toPrecision(4)));
