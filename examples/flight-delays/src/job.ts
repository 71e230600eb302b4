import { baselineText } from "@millwright/algorithms";
import { collect, columnOf, asFloat64 } from "@millwright/data";
import { verifyModel } from "@millwright/model";
import { type Workshop, describeFlights, ingestOutcomes, proveNoLeakage, trainingSet } from "./features.ts";
import { canaryReport, canaryShare, deployCanary, lastCursor, registerBadCandidate } from "./canary.ts";
import { featuresDiffer, featuresLeak, modelNotBetter } from "./errors.ts";
import { prepareFlights } from "./flights.ts";
import { measureHttp } from "./http.ts";
import { loadJune } from "./june.ts";
import { periods } from "./periods.ts";
import { type ReplayClock, openProduction } from "./production.ts";
import { compareWithHistory, replayJune, summarizeReplay } from "./replay.ts";
import type { ModelReport, RegistryReport, ReportData, TrainingReport } from "./report-data.ts";
import type { Stages } from "./stages.ts";
import { count } from "./terminal.ts";
import { type TrainingBench, baselinesOf, evaluate, fitOn, trainNetwork, trainTrees } from "./training.ts";
import { type Tuned, tune } from "./tuning.ts";
import { watchReport } from "./watch.ts";
import { worthOf } from "./worth.ts";
import { lateFlights } from "./definitions.ts";

export interface Job extends TrainingBench {
  readonly clock: ReplayClock;
  readonly rows: number | undefined;
}

/** The whole way, from the raw file to the report's data; each stage once, however often the job is interrupted. */
export async function runJob(job: Job, stages: Stages): Promise<Omit<ReportData, "timings" | "generatedMs">> {
  const data = await stages.run("ingest", "Read the flights and keep their outcomes as history", async () => {
    await prepareFlights(job.duckdb, job.flights, { rows: job.rows, signal: job.signal });
    await ingestOutcomes(job);
    return describeFlights(job);
  });
  const sizes = await stages.run(
    "features",
    "Join features to departures, as they were known before each",
    async () => {
      const train = await trainingSet(job, "train", periods.trainFromMs, periods.mayMs);
      const validation = await trainingSet(job, "validation", periods.mayMs, periods.juneMs);
      job.terminal.line(
        `   ${count(train.rows ?? 0)} departures to learn from, ${count(validation.rows ?? 0)} to validate on`,
      );
      return { train: train.rows ?? 0, validation: validation.rows ?? 0 };
    },
  );
  const leakage = await stages.run("leakage", "Prove on a sample that no feature knows the future", () =>
    provenSample(job),
  );
  const tuned = await stages.run("tune", "Search hyperparameters", async () =>
    tune(job, await fitOn(await readSet(job, "train"))),
  );
  const trained = await stages.run("train", "Train both models and measure them on May", () =>
    trainAndMeasure(job, tuned, sizes),
  );
  const registry = await stages.run("register", "Register, approve, and make it the champion", () =>
    registerChampion(job, trained),
  );
  const live = await stages.run("replay", "Replay June as requests, with a bad candidate on its last days", () =>
    liveJune(job, trained.report),
  );
  return { formatVersion: 1, rows: data.flights, data, leakage, training: trained.report, registry, ...live };
}

const readSet = ({ duckdb, directory, signal }: Workshop, name: "train" | "validation") =>
  duckdb.scan(`${directory}/${name}.parquet`, { signal });

async function provenSample(job: Job) {
  const report = await proveNoLeakage(job, 500);
  job.terminal.line(
    `   ${count(report.values)} values computed again from the raw flights: ${report.different} differ; the newest outcome used was known ${report.closestMinutes} min before its departure`,
  );
  if (report.different > 0 || report.closestMinutes <= 0) throw featuresLeak(report.different, report.closestMinutes);
  return report;
}

interface Trained {
  readonly report: TrainingReport;
  readonly modelDirectory: string;
}

/** Trains a network and boosted trees, and keeps the one with the lower log loss on May. */
async function trainAndMeasure(
  job: Job,
  tuned: Tuned,
  sizes: { readonly train: number; readonly validation: number },
): Promise<Trained> {
  const { terminal } = job;
  const transforms = await fitOn(await readSet(job, "train"));
  const network = await trainNetwork(job, transforms, tuned.best.network);
  if (network.modelDirectory === undefined) throw new Error("The training run was paused and has no model.");
  const directories = { network: network.modelDirectory, trees: await trainTrees(job, tuned.best.trees) };
  const may = await readSet(job, "validation");
  const measured: ModelReport[] = [];
  for (const name of ["network", "trees"] as const) {
    const quality = await evaluate(job, await verifyModel(directories[name]), may);
    measured.push({ name, quality });
    const { auc, logLoss, calibrationError } = quality;
    terminal.line(
      `   ${name} on May: AUC ${auc.toFixed(4)}, log loss ${logLoss.toFixed(4)}, calibration error ${calibrationError.toFixed(4)}`,
    );
  }
  const baselines = await baselinesOf(job, may, await meanOfLate(job));
  for (const { name, auc, logLoss } of baselines)
    terminal.line(`   ${name}: AUC ${auc.toFixed(4)}, log loss ${logLoss.toFixed(4)}`);
  const models = measured.toSorted((a, b) => a.quality.logLoss - b.quality.logLoss);
  const [chosen] = models as [ModelReport, ModelReport];
  const worth = await worthOf(job, await verifyModel(directories[chosen.name]), transforms);
  for (const line of baselineText(worth).split("\n")) terminal.line(`   ${line}`);
  const epochs = network.epochs.map(({ epoch, metrics }) => ({
    epoch,
    logLoss: metrics["logLoss"] as number,
    auc: metrics["auc"] as number,
  }));
  const report: TrainingReport = {
    trainRows: sizes.train,
    validationRows: sizes.validation,
    features: lateFlights.featureNames.length,
    trials: tuned.trials,
    best: { network: { ...tuned.best.network }, trees: { ...tuned.best.trees } },
    epochs,
    model: chosen.quality,
    models,
    baselines,
    worth,
  };
  return { report, modelDirectory: directories[chosen.name] };
}

async function meanOfLate(job: Job): Promise<number> {
  const { columns } = await collect(await readSet(job, "train"), { columns: ["late"], signal: job.signal });
  const late = asFloat64(columnOf({ length: columns["late"]?.length ?? 0, columns }, "late"));
  return late.reduce((sum, each) => sum + each, 0) / late.length;
}

const approver = "flight-delays";

/** The version is approved because it beats both baselines on May, by name and for the record; then the alias moves to it. */
async function registerChampion(
  { registry, store, signal, terminal }: Job,
  { report, modelDirectory }: Trained,
): Promise<RegistryReport> {
  const version = await registry.register("late", modelDirectory, { signal });
  const best = Math.min(...report.baselines.map(({ logLoss }) => logLoss));
  if (report.model.logLoss >= best) throw modelNotBetter(report.model.logLoss, best);
  if (version.approval !== "approved") {
    const comment = `log loss on May ${report.model.logLoss.toFixed(4)}, the best baseline ${best.toFixed(4)}`;
    await registry.approve("late", version.version, { status: "approved", by: approver, comment }, { signal });
  }
  await registry.setAlias("late", "champion", version.version, { signal });
  // From here on these features do not change under the model.
  await store.catalog.pin(`late/${version.version}`, lateFlights.name, { signal });
  const lineage = await registry.lineage({ kind: "model", id: version.digest }, { direction: "ancestors", signal });
  terminal.line(`   late/${version.version} is approved and the champion`);
  return {
    version: `late/${version.version}`,
    digest: version.digest,
    approvedBy: approver,
    lineage: lineage.map(({ entity: { kind, id, name }, distance }) => ({ kind, id, name, distance })),
  };
}

/** One month of production: served, fed, watched, with a rollout that goes wrong. */
async function liveJune(job: Job, training: TrainingReport): Promise<Pick<ReportData, "replay" | "canary" | "watch">> {
  const { clock, registry, signal, terminal } = job;
  const june = await loadJune(job);
  await bringOnline(job, periods.juneMs);
  const candidate = await registerBadCandidate(job);
  const afterCursor = await lastCursor(job);
  await using production = await openProduction(job, clock);
  const share = canaryShare(june.departedMs.length);
  let deployedMs: number | undefined;
  let nextLookMs = 0;
  const replayed = await replayJune(job, june, production, {
    clock,
    keepEvery: Math.ceil(june.departedMs.length / 2_000),
    async onQuarter(nowMs) {
      // A candidate is watched closely; the champion alone needs a look every three hours.
      if (deployedMs !== undefined || nowMs >= nextLookMs) {
        await production.monitor.evaluate(nowMs);
        nextLookMs = nowMs + 3 * 3_600_000;
      }
      if (deployedMs !== undefined || nowMs < periods.canaryMs) return;
      deployedMs = nowMs;
      await deployCanary(production, candidate, share);
    },
  });
  const requests = replayed.byCandidate.reduce((sum, each) => sum + each, 0);
  const http = await measureHttp(production.server, june, signal);
  const parity = await compareWithHistory(job, june, replayed.vectors);
  const replay = { ...summarizeReplay(june, replayed), http, parity };
  const canary = await canaryReport(job, production, {
    candidate,
    share,
    deployedMs: deployedMs ?? 0,
    requests,
    afterCursor,
  });
  const champion = await registry.resolve("late@champion", { signal });
  const watch = await watchReport(production, champion, { training, replay, canary });
  terminal.line(
    `   ${count(replay.requests)} requests, ${count(replay.requestsPerSecond)} a second; p50 ${replay.inProcess.p50.toFixed(2)} ms, p99 ${replay.inProcess.p99.toFixed(2)} ms in this process; over HTTP p50 ${http.p50.toFixed(2)} ms, p99 ${http.p99.toFixed(2)} ms`,
  );
  terminal.line(`   ${count(parity.values)} online features compared with offline ones: ${parity.different} differ`);
  terminal.line(
    `   in June: AUC ${replay.june.auc.toFixed(4)}, log loss ${replay.june.logLoss.toFixed(4)}, calibration error ${replay.june.calibrationError.toFixed(4)}`,
  );
  terminal.line(
    `   ${canary.candidate}: ${canary.state} after ${count(canary.requests)} requests. ${canary.reason ?? ""}`,
  );
  if (parity.different > 0) throw featuresDiffer(parity.different, parity.values);
  return { replay, canary, watch };
}

/** Loads the online state of every view as it was at a time, and sets the clock to it. */
export async function bringOnline({ store, clock, signal }: Job, upToMs: number): Promise<void> {
  await clock.advance(upToMs - clock.nowMs());
  for (const view of lateFlights.views) await store.materialize(view, { upToMs, signal });
}
