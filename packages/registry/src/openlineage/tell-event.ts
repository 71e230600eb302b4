import { type EntityReference, type MillwrightEvent, isFinalJobState, type JobState } from "@millwright/contracts";
import { statementsOf } from "../lineage/lineage-types.ts";
import type { Run } from "../tracking/run-records.ts";
import {
  type OpenLineageEvent,
  type OpenLineageEventType,
  type OpenLineageJob,
  type OpenLineageRun,
  schemaOf,
} from "./event-types.ts";
import { type FacetMaker, facetsBy, facetsOf } from "./facets.ts";
import { openLineageRunId } from "./names.ts";
import { featureData, lineageData } from "./parse-event.ts";
import { type DatasetTelling, type EventFacts, datasetOf, inputOf, isData, outputOf } from "./told-datasets.ts";

export interface TellOptions {
  /** Of jobs, and of data that has no name of its own elsewhere. */
  readonly namespace: string;
  /** Who tells: a URI. */
  readonly producer: string;
  /** Of the package that tells. */
  readonly version: string;
  readonly facts?: EventFacts | undefined;
}

/** What tells of lineage that other registries have: it is not told again. */
export const receivedType = "job.lineage-received";

/**
 * What an event of the log is in OpenLineage; nothing where it says nothing of lineage. What takes no time, such as a registration without a run, is a run of its own that starts
 * and completes at once.
 */
export function tellEvent(event: MillwrightEvent, options: TellOptions): readonly OpenLineageEvent[] {
  const { namespace, producer, facts = {} } = options;
  if (event.type === receivedType) return [];
  const { made = [], from = [] } = event.data;
  const facet = facetsBy(producer);
  const telling: Telling = { event, facts, namespace, facet, producer, version: options.version };
  const type = runTypeOf(event, facts.run);
  const actor = actorOf(event);
  if (actor !== undefined && type !== undefined) return [runEvent(telling, actor, type)];
  if (type === undefined && event.type.startsWith("run.experiment-")) return [jobEvent(telling)];
  if (statementsOf(event).length === 0) return [];
  if (actor !== undefined) return [runEvent(telling, actor, "OTHER")];
  if (made.length > 0 && made.every((each) => !isData(each))) return [jobEvent(telling)];
  const model = modelOf(event);
  const only = made.length > 0 ? undefined : (model ?? from.find(isData) ?? sameAsOf(event));
  if (only !== undefined) return [datasetEvent(telling, only)];
  const action: EntityReference = { kind: "job", id: event.id };
  return [runEvent(telling, action, "START"), runEvent(telling, action, "COMPLETE")];
}

export interface Telling extends DatasetTelling {
  readonly producer: string;
  readonly version: string;
}

const isRunLike = ({ kind }: EntityReference): boolean => kind === "run" || kind === "trial" || kind === "job";

/** The run that an event is about, or whose work it tells of. */
export function actorOf({ type, subject, data }: MillwrightEvent): EntityReference | undefined {
  const named = data.made?.find(isRunLike) ?? data.from?.find(isRunLike);
  if (named !== undefined) return named;
  const family = type.split(".")[0];
  if (subject === undefined || type.startsWith("run.experiment-") || type === receivedType) return undefined;
  return family === "run" || family === "trial" || family === "job" ? { kind: family, id: subject } : undefined;
}

const byEnding: Readonly<Record<string, OpenLineageEventType>> = {
  started: "START",
  resumed: "RUNNING",
  finished: "COMPLETE",
  completed: "COMPLETE",
  failed: "FAIL",
  killed: "ABORT",
  stopped: "ABORT",
  pruned: "ABORT",
};

/** What has become of the run that the event is about. A trial that waits to be gone on with is still running. */
function runTypeOf({ type, time, data }: MillwrightEvent, run: Run | undefined): OpenLineageEventType | undefined {
  const [family, what = ""] = type.split(".");
  if (family === "job") return jobTypeOf(data);
  if (type === "run.updated") {
    const timeMs = Date.parse(time);
    const runs = run !== undefined && timeMs >= run.startedMs && timeMs < (run.endedMs ?? Number.POSITIVE_INFINITY);
    return runs ? "RUNNING" : "OTHER";
  }
  if (type === "trial.paused") return "RUNNING";
  return family === "run" || family === "trial" ? byEnding[what] : undefined;
}

function jobTypeOf({ state, number }: MillwrightEvent["data"]): OpenLineageEventType | undefined {
  if (typeof state !== "string") return undefined;
  if (state === "completed") return "COMPLETE";
  if (state === "failed") return "FAIL";
  if (isFinalJobState(state as JobState)) return "ABORT";
  return number === 0 ? "START" : "RUNNING";
}

/** The version that a decision is about. */
function modelOf({ type, data }: MillwrightEvent): EntityReference | undefined {
  if (!type.startsWith("model.") || typeof data["digest"] !== "string") return undefined;
  const { name, version } = data;
  const called = typeof name === "string" && typeof version === "number" ? { name: `${name}/${version}` } : {};
  return { kind: "model", id: data["digest"], ...called };
}

const sameAsOf = (event: MillwrightEvent): EntityReference | undefined =>
  statementsOf(event)
    .map(({ made }) => made as EntityReference)
    .find(isData);

function runEvent(telling: Telling, actor: EntityReference, eventType: OpenLineageEventType): OpenLineageEvent {
  const { event, producer } = telling;
  const { made = [], from = [] } = event.data;
  return {
    eventTime: event.time,
    eventType,
    producer,
    schemaURL: schemaOf("RunEvent"),
    run: runOf(telling, actor, eventType),
    job: jobOf(telling, actor),
    inputs: from.filter(isData).map((each) => inputOf(each, telling)),
    outputs: made.filter(isData).map((each) => outputOf(each, telling)),
  };
}

function runOf(telling: Telling, actor: EntityReference, eventType: OpenLineageEventType): OpenLineageRun {
  const { event, facts, facet, version } = telling;
  const { run } = facts;
  const isEnd = eventType === "COMPLETE" || eventType === "FAIL" || eventType === "ABORT";
  const problem = eventType === "FAIL" ? (event.data["failureReason"] ?? event.data["reason"]) : undefined;
  const tags = Object.entries(run?.tags ?? {}).map(([key, value]) => ({ key, value, source: "USER" }));
  const facets = facetsOf({
    millwright_event: toldBy(event, facet),
    millwright_run: run === undefined ? undefined : trainingOf(run, isEnd, facet),
    processing_engine: facet("ProcessingEngineRunFacet", {
      version,
      name: event.source,
      openlineageAdapterVersion: version,
    }),
    nominalTime:
      run === undefined
        ? undefined
        : facet("NominalTimeRunFacet", {
            nominalStartTime: isoOf(run.startedMs),
            nominalEndTime: isEnd && run.endedMs !== undefined ? isoOf(run.endedMs) : undefined,
          }),
    parent: parentOf(telling),
    errorMessage:
      typeof problem === "string"
        ? facet("ErrorMessageRunFacet", { message: problem, programmingLanguage: "TypeScript" })
        : undefined,
    tags: tags.length === 0 ? undefined : facet("TagsRunFacet", { tags }),
  });
  return { runId: openLineageRunId(actor), ...(facets === undefined ? {} : { facets }) };
}

const isoOf = (ms: number): string => new Date(ms).toISOString();

function parentOf({ facts: { parent }, namespace, facet }: Telling): ReturnType<FacetMaker> | undefined {
  if (parent === undefined) return undefined;
  return facet("ParentRunFacet", {
    run: { runId: openLineageRunId({ kind: "run", id: parent.id }) },
    job: { namespace, name: parent.experiment },
  });
}

function trainingOf({ id, name, experiment, params, metrics }: Run, isEnd: boolean, facet: FacetMaker) {
  // What a run has come to is told once, at its end.
  const result = isEnd ? { params: sayable(params), metrics: sayable(metrics) } : {};
  return facet("MillwrightRunFacet", { id, name, experiment, ...result });
}

/** JSON has no NaN and no infinities: they are told by their names. */
function sayable(value: unknown): unknown {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (Array.isArray(value)) return (value as readonly unknown[]).map(sayable);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, sayable(each)]));
}

/** What our own reader makes the same lineage of again. */
function toldBy({ id, type, source, subject, time, data }: MillwrightEvent, facet: FacetMaker) {
  const kept = [...lineageData, ...(type.startsWith("feature.") ? featureData : [])];
  // What was renamed is told as an object: that is no name.
  const isKept = (key: string): boolean => data[key] !== undefined && (key !== "name" || typeof data[key] === "string");
  const said = Object.fromEntries(kept.filter(isKept).map((key) => [key, data[key]]));
  return facet("MillwrightEventFacet", { id, type, source, subject, time, data: said });
}

function jobOf({ event, facts, namespace, facet }: Telling, actor: EntityReference): OpenLineageJob {
  const { data, type, subject } = event;
  const experiment = facts.run?.experiment ?? data["experiment"];
  const study = data["study"];
  const isAction = actor.id === event.id;
  const name = isAction
    ? [type, ...(subject === undefined ? [] : [subject.split("/")[0]])].join("/")
    : actor.kind === "trial"
      ? `studies/${typeof study === "string" ? study : (actor.id.split("/")[0] as string)}`
      : actor.kind === "job"
        ? `jobs/${actor.name ?? actor.id}`
        : typeof experiment === "string"
          ? experiment
          : `runs/${actor.id}`;
  const jobType = isAction ? "ACTION" : actor.kind === "run" ? "TRAINING" : actor.kind.toUpperCase();
  return {
    namespace,
    name,
    facets: { jobType: facet("JobTypeJobFacet", { processingType: "BATCH", integration: "MILLWRIGHT", jobType }) },
  };
}

function jobEvent(telling: Telling): OpenLineageEvent {
  const { event, namespace, producer, facet } = telling;
  const { made = [], from = [], ...data } = event.data;
  const thing = made[0];
  const name = thing === undefined ? String(data["experiment"]) : `${thing.kind}s/${thing.id}`;
  const isEndpoint = thing?.kind === "endpoint";
  const set = isRecord(data["tags"]) ? data["tags"] : {};
  const tags = Object.entries(set).flatMap(([key, told]) => {
    const value = isRecord(told) ? told["to"] : told;
    return typeof value === "string" ? [{ key, value, source: "USER" }] : [];
  });
  return {
    eventTime: event.time,
    producer,
    schemaURL: schemaOf("JobEvent"),
    job: {
      namespace,
      name,
      facets: {
        millwright_event: toldBy(event, facet),
        jobType: facet("JobTypeJobFacet", {
          processingType: isEndpoint ? "STREAMING" : "BATCH",
          integration: "MILLWRIGHT",
          jobType: (thing?.kind ?? "experiment").toUpperCase(),
        }),
        ...(tags.length === 0 ? {} : { tags: facet("TagsJobFacet", { tags }) }),
      },
    },
    inputs: from.filter(isData).map((each) => inputOf(each, telling)),
    outputs: [],
  };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function datasetEvent(telling: Telling, entity: EntityReference): OpenLineageEvent {
  const { event, producer, facet } = telling;
  const dataset = datasetOf(entity, telling);
  return {
    eventTime: event.time,
    producer,
    schemaURL: schemaOf("DatasetEvent"),
    dataset: { ...dataset, facets: { ...dataset.facets, millwright_event: toldBy(event, facet) } },
  };
}
