import type { DeploymentPlan } from "@millwright/contracts";
import { deploymentInvalid } from "../errors.ts";

/** What a canary is judged by, against the baseline that serves at the same time. */
export interface VerdictPlan {
  /**
   * With at most this probability a candidate that is as good as the baseline is rolled back, over all tests, segments and looks together; shared equally among the tests. Default: 0.05.
   */
  readonly alpha?: number | undefined;
  /** Fewest requests of each variant, and fewest rows of each other test, for a test to pass. Default: 100. */
  readonly minimumRequests?: number | undefined;
  /** Failed requests; what the caller did wrong counts too, as long as both variants see it. Default: on, tolerance 0. */
  readonly errors?:
    | false
    | { /** 0.1: a rate 1.1 times the baseline's is tolerated. */ readonly tolerance?: number | undefined }
    | undefined;
  /** Default: the 95th percentile, 20 % higher is tolerated. */
  readonly latency?:
    | false
    | { readonly quantile?: number | undefined; readonly tolerance?: number | undefined }
    | undefined;
  /** How far the distribution of the scores may be from the baseline's: Kolmogorov-Smirnov distance. Default: on, 0.2. */
  readonly scores?: false | { readonly maxShift?: number | undefined } | undefined;
  /** Asks the baseline the candidate's requests too, beside the answer, and compares decisions. Default: off. */
  readonly agreement?:
    | {
        /** Least share of rows decided alike, in (0, 1). */
        readonly minimum: number;
        /** Share of the candidate's requests that is asked twice. Default: 1. */
        readonly share?: number | undefined;
      }
    | undefined;
  /** How much further the mean of (label − score) may be from 0 than the baseline's; needs labels of 0 or 1. Default: off. */
  readonly calibration?: { /** Default: 0.05. */ readonly tolerance?: number | undefined } | undefined;
  /** A business figure told by `server.outcome`. Default: off. */
  readonly kpi?:
    | {
        readonly name: string;
        /** What is beyond counts as its end. */
        readonly range: readonly [number, number];
        readonly better: "higher" | "lower";
        /** How much worse its mean may be. Default: 0. */
        readonly tolerance?: number | undefined;
      }
    | undefined;
  /** Judges each segment by itself too, by errors, scores, agreement and calibration: a value of rows, instances or entities by its name, or index in plain lists. */
  readonly segments?:
    | {
        readonly by: string;
        /** Most segments; those that come later count as "(other)". Default: 20. */ readonly most?: number | undefined;
      }
    | undefined;
  /** Which output the scores are, and where a score decides. Default: the first, 0.5, within [0, 1]. Of several columns the greatest decides. */
  readonly score?:
    | {
        readonly output?: string | undefined;
        readonly threshold?: number | undefined;
        readonly range?: readonly [number, number] | undefined;
      }
    | undefined;
  /** What an inconclusive verdict at the end of a step means; `"hold"` bakes the step again and needs `timeoutMs`. Default: `"rollback"`. */
  readonly inconclusive?: "rollback" | "proceed" | "hold" | undefined;
}

/** A plan that this server carries out. */
export interface ServingDeploymentPlan extends DeploymentPlan {
  /** Judges the candidate against the baseline by always-valid tests; rolls back on the first that fails. Default: none. */
  readonly verdict?: VerdictPlan | undefined;
}

/** Throws `SERVING_DEPLOYMENT_INVALID`. */
export function checkVerdict(endpoint: string, { verdict, traffic, timeoutMs }: ServingDeploymentPlan): void {
  if (verdict === undefined) return;
  const refuse = (problem: string, remedy: string): never => {
    throw deploymentInvalid(endpoint, problem, remedy);
  };
  const within = (name: string, value: number | undefined, least: number, most: number): void => {
    if (value !== undefined && !(value > least && value < most))
      refuse(`\`verdict.${name}\` is ${value}`, `Give a number between ${least} and ${most}.`);
  };
  if (verdict === null || typeof verdict !== "object")
    refuse("its `verdict` is no object", "Give an object; {} has the defaults.");
  if (traffic.type === "all-at-once")
    refuse("a verdict needs a baseline beside the candidate", "Plan a canary or linear steps.");
  const { alpha, minimumRequests, errors, latency, scores, agreement, calibration, kpi, segments, score } = verdict;
  within("alpha", alpha, 0, 0.5);
  within("minimumRequests", minimumRequests, 0, 1e9);
  if (typeof errors === "object") within("errors.tolerance", errors.tolerance, -1e-9, 100);
  if (typeof latency === "object") {
    within("latency.quantile", latency.quantile, 0, 1);
    within("latency.tolerance", latency.tolerance, -1e-9, 100);
  }
  if (typeof scores === "object") within("scores.maxShift", scores.maxShift, -1e-9, 1);
  within("agreement.minimum", agreement?.minimum, 0, 1);
  within("agreement.share", agreement?.share, 0, 1 + 1e-9);
  within("calibration.tolerance", calibration?.tolerance, -1e-9, 1);
  within("segments.most", segments?.most, 0, 1001);
  within("score.threshold", score?.threshold, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  for (const range of [kpi?.range, score?.range])
    if (range !== undefined && !(Array.isArray(range) && range[0] < range[1]))
      refuse(`a range of its verdict is ${JSON.stringify(range)}`, "Give the lower end and the higher one.");
  if (verdict.inconclusive === "hold" && timeoutMs === undefined)
    refuse("an inconclusive verdict is to hold it, and nothing ends that", "Give it a `timeoutMs`.");
}
