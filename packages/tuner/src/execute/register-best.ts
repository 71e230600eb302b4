import {
  type CallOptions,
  type Digest,
  type EntityReference,
  type EventLog,
  type JsonValue,
  type ModelRegistry,
  type ModelVersion,
  type RunHandle,
  type RunTracker,
  digestOfJson,
  encodeNumbers,
} from "@millwright/contracts";
import type { Direction, Trial } from "../trial.ts";

export interface RegisterBestOptions extends CallOptions {
  /** The model's name in the registry. */
  readonly model: string;
  readonly registry: Pick<ModelRegistry, "register" | "setAlias">;
  /** Trains, or finds, the model package of the best trial. @returns its directory. */
  readonly packageOf: (best: Trial, options: CallOptions) => Promise<string> | string;
  /** Keeps the study as a run, with its trials as runs below it, and the table of all trials as an artifact. Default: nothing is kept but the version's tags. */
  readonly tracker?: RunTracker | undefined;
  /** Where the run belongs. Default: the model's name. */
  readonly experiment?: string | undefined;
  /** Whether each trial is a run of its own below the study's. Default: true. */
  readonly trialRuns?: boolean | undefined;
  /** Told `model.produced`: the model made from the study, the trial and the table. Give the log of the registry's database, and its lineage has the edge. */
  readonly events?: Pick<EventLog, "append"> | undefined;
  /** An alias that the version gets. Default: none. */
  readonly alias?: string | undefined;
}

export interface RegisteredBest {
  readonly version: ModelVersion;
  readonly trial: Trial;
  /** Of the table of all trials, as JSON. */
  readonly trialTable: Digest;
  readonly runId?: string | undefined;
}

/** A study, as far as it is needed here. */
interface TunedStudy {
  readonly name: string;
  readonly direction: Direction;
  trials(options?: CallOptions): Promise<readonly Trial[]>;
  best(options?: CallOptions): Promise<Pick<Trial, "number">>;
}

/**
 * Makes the winner of a study a version of a model: one call, after which the registry knows from which study, trial and data it came. Running it again registers the same package once.
 * Throws `TUNER_STUDY_EMPTY`, and what the registry throws.
 */
export async function registerBest(study: TunedStudy, options: RegisterBestOptions): Promise<RegisteredBest> {
  const { model, registry, packageOf, tracker, events, alias, signal } = options;
  signal?.throwIfAborted();
  if (typeof packageOf !== "function")
    throw new TypeError("registerBest needs packageOf, which gives the model package of a trial.");
  const { number } = await study.best({ signal });
  const trials = await study.trials({ signal });
  const best = trials[number] as Trial;
  const table = tableOf(study, trials);
  const trialTable = digestOfJson(table);
  const from: readonly EntityReference[] = [
    { kind: "study", id: trialTable, name: study.name },
    { kind: "trial", id: `${study.name}/${number}` },
  ];
  const directory = await packageOf(best, { signal });
  const run =
    tracker === undefined ? undefined : await trackStudy(study, trials, best, { ...options, tracker, table, from });
  const tags = { study: study.name, trial: String(number), trialTable };
  const version = await registry.register(model, directory, {
    ...(run === undefined ? {} : { runId: run.id }),
    tags,
    signal,
  });
  const made = { kind: "model", id: version.digest, name: `${version.name}/${version.version}` } as const;
  const cause = best.eventId === undefined ? {} : { causationid: best.eventId };
  await events?.append(
    [
      {
        source: "millwright/tuner",
        type: "model.produced",
        subject: made.name,
        ...cause,
        data: { made: [made], from },
      },
    ],
    { signal },
  );
  if (alias !== undefined) await registry.setAlias(model, alias, version.version, { signal });
  return { version, trial: best, trialTable, ...(run === undefined ? {} : { runId: run.id }) };
}

/** The whole study, by trial. JSON-safe: numbers that JSON has no word for are encoded. */
function tableOf({ name, direction }: TunedStudy, trials: readonly Trial[]): JsonValue {
  return encodeNumbers({ formatVersion: 1, study: name, direction, trials } as unknown as JsonValue);
}

interface Tracking extends RegisterBestOptions {
  readonly tracker: RunTracker;
  readonly table: JsonValue;
  readonly from: readonly EntityReference[];
}

/** The study as a run that ended, made from its trials. */
async function trackStudy(
  study: TunedStudy,
  trials: readonly Trial[],
  best: Trial,
  { tracker, model, experiment = model, trialRuns = true, table, from, signal }: Tracking,
): Promise<RunHandle> {
  const causedBy = best.eventId === undefined ? {} : { causedBy: best.eventId };
  const tags = { study: study.name, trial: String(best.number) };
  const run = await tracker.startRun({ experiment, name: `study ${study.name}`, tags, from, ...causedBy, signal });
  run.logParams(best.params as Readonly<Record<string, JsonValue>>);
  run.logMetrics(curveOf(trials));
  await run.logArtifact("trials.json", new TextEncoder().encode(JSON.stringify(table)), { signal });
  for (const trial of trialRuns ? trials : []) await trackTrial(study, trial, run, { tracker, experiment, signal });
  await run.end("finished", { signal });
  return run;
}

/** The value of each completed trial, by its number. */
const curveOf = (trials: readonly Trial[]): { name: string; value: number; step: number }[] =>
  trials.flatMap(({ number, values }) =>
    (values ?? []).map((value, index) => ({ name: index === 0 ? "value" : `value.${index}`, value, step: number })),
  );

async function trackTrial(
  study: TunedStudy,
  { number, params, state, values, intermediates, cost, startedMs, endedMs, eventId }: Trial,
  parent: RunHandle,
  {
    tracker,
    experiment,
    signal,
  }: { readonly tracker: RunTracker; readonly experiment: string; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const id = `${study.name}/${number}`;
  const run = await tracker.startRun({
    experiment,
    name: id,
    parentRunId: parent.id,
    tags: { study: study.name, trial: String(number), state },
    from: [{ kind: "trial", id }],
    ...(eventId === undefined ? {} : { causedBy: eventId }),
    signal,
  });
  run.logParams(params as Readonly<Record<string, JsonValue>>);
  const at = endedMs === undefined ? {} : { timeMs: endedMs };
  run.logMetrics([
    ...intermediates
      .map(([step, value]) => ({ name: "intermediate", value, step }))
      .filter(({ step }) => Number.isSafeInteger(step)),
    ...(values ?? []).map((value, index) => ({
      name: index === 0 ? "value" : `value.${index}`,
      value,
      step: 0,
      ...at,
    })),
    ...Object.entries(cost ?? {}).map(([unit, value]) => ({ name: `cost.${unit}`, value, step: 0, ...at })),
    ...(startedMs === undefined || endedMs === undefined
      ? []
      : [{ name: "seconds", value: (endedMs - startedMs) / 1_000, step: 0, ...at }]),
  ]);
  await run.end(state === "completed" ? "finished" : state === "failed" ? "failed" : "killed", { signal });
}
