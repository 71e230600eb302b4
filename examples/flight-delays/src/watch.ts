import type { ResolvedModel } from "@millwright/contracts";
import { parseProfile } from "@millwright/data";
import { type DriftReport, compare, recommended } from "@millwright/monitor";
import { type Production, endpoint } from "./production.ts";
import type { CanaryReport, ReplayReport, TrainingReport, WatchReport } from "./report-data.ts";

/** Compares June with training, reads the objectives, and says what should be done. */
export async function watchReport(
  { monitor }: Production,
  model: ResolvedModel,
  found: { readonly training: TrainingReport; readonly replay: ReplayReport; readonly canary: CanaryReport },
): Promise<WatchReport> {
  const drift = driftOfJune(monitor, model);
  const firing = await monitor.alerts(`endpoint/${endpoint}`);
  const slos = ["answers", "fast answers"].map((name) => {
    const { good, total, budgetLeft, subject } = monitor.slo(name);
    const alerts = firing
      .filter((alert) => alert.subject === subject && alert.name === name)
      .map(({ severity }) => severity);
    return { name, objective: name === "answers" ? 0.999 : 0.99, good, total, budgetLeft, alerts };
  });
  const columns = drift.columns.map(({ name, verdict, measures }) => ({
    column: name,
    psi: measures.populationStability ?? 0,
    ks: measures.kolmogorovSmirnov?.lower ?? measures.largestDifference ?? 0,
    jensenShannon: measures.jensenShannon ?? 0,
    drifted: verdict === "drift",
  }));
  return { drift: columns, slos, advice: adviceOf(columns, slos, found) };
}

function driftOfJune(monitor: Production["monitor"], { manifest }: ResolvedModel): DriftReport {
  const baseline = parseProfile(manifest.profile ?? {});
  const { features } = monitor.read(endpoint, "main");
  const columns = Object.fromEntries(
    Object.entries(baseline.columns).filter(([name]) => Object.hasOwn(features.columns, name)),
  );
  return compare({ rows: baseline.rows, columns }, features, recommended());
}

function adviceOf(
  drift: WatchReport["drift"],
  slos: WatchReport["slos"],
  {
    training,
    replay,
    canary,
  }: { readonly training: TrainingReport; readonly replay: ReplayReport; readonly canary: CanaryReport },
): readonly string[] {
  const advice: string[] = [];
  const drifted = drift.filter((column) => column.drifted).toSorted((a, b) => b.psi - a.psi);
  const lost = training.model.auc - replay.june.auc;
  const bias = replay.june.meanProbability - replay.june.observedShare;
  if (drifted.length === 0) advice.push("No feature has drifted enough to matter.");
  else
    advice.push(
      `${drifted.length} features have drifted, most of all ${drifted[0]?.column} (PSI ${drifted[0]?.psi.toFixed(2)}).`,
    );
  if (lost < 0.02 && Math.abs(bias) < 0.03) {
    advice.push(
      `The model holds: AUC ${replay.june.auc.toFixed(3)} in June after ${training.model.auc.toFixed(3)} in May, and it is off by ${(100 * bias).toFixed(1)} points in the mean. Keep it; retrain with May and June at the next regular date.`,
    );
  } else {
    advice.push(
      `The model has slipped: AUC ${replay.june.auc.toFixed(3)} in June after ${training.model.auc.toFixed(3)} in May, off by ${(100 * bias).toFixed(1)} points in the mean. Retrain with May and June, and compare as a canary.`,
    );
  }
  for (const { name, budgetLeft } of slos) {
    if (budgetLeft < 0)
      advice.push(
        `The objective "${name}" has spent more than its error budget: stop rollouts, and find what is slow or failing.`,
      );
  }
  if (canary.state === "rolled-back") {
    advice.push(
      `${canary.candidate} was taken back after ${canary.requests} requests; reject it in the registry, and let a gate ask for its loss on May before the next approval.`,
    );
  }
  return advice;
}
