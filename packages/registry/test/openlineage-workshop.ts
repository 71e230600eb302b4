import { type MillwrightEvent, createManualClock } from "@millwright/contracts";
import {
  consoleTransport,
  type LineageEmitter,
  openLineageEmitter,
  type LineageTarget,
  type OpenLineageEvent,
  type OpenLineageRunEvent,
} from "../src/openlineage.ts";
import { type Workshop, startMs } from "./workshop.ts";

export const quick = { firstWaitMs: 2, longestWaitMs: 10 };

/** Resolves when a target has come to the end of the log. */
export async function toEnd(emitter: LineageEmitter, id: string, { events }: Pick<Workshop, "events">): Promise<void> {
  const count = (await events()).length;
  for (;;) {
    if ((await emitter.state(id)).cursor >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Everything that the workshop's log tells. */
export async function toldBy(
  workshop: Pick<Workshop, "registry" | "database" | "events">,
  options: Partial<LineageTarget> & { readonly namespace?: string; readonly producer?: string } = {},
): Promise<OpenLineageEvent[]> {
  const { registry, database } = workshop;
  const { namespace, producer, ...target } = options;
  const told: OpenLineageEvent[] = [];
  const transport = consoleTransport({ write: (line) => told.push(JSON.parse(line) as OpenLineageEvent) });
  const targets = [{ id: "all", transport, ...target }];
  await using emitter = await openLineageEmitter({ registry, database, targets, namespace, producer, ...quick });
  await toEnd(emitter, "all", workshop);
  return told;
}

/** An event as tests hand it to `tellEvent`. */
export const happened = (
  type: MillwrightEvent["type"],
  subject: string,
  data: MillwrightEvent["data"],
): MillwrightEvent => ({
  specversion: "1.0",
  id: "0199aaaa-0000-7000-8000-000000000001" as MillwrightEvent["id"],
  source: "millwright/test",
  type,
  subject,
  time: new Date(createManualClock(startMs).nowMs()).toISOString(),
  datacontenttype: "application/json",
  data,
});

const facet = { _producer: "https://example.com/airflow", _schemaURL: "https://example.com/schema.json" };

/** Some facts of a scheduler's own, which nobody here knows. */
export const foreignFacet = { ...facet, dag: { tags: ["nightly"], deep: [{ er: null }] } };

export const runIds = {
  dag: "0199bbbb-0000-7000-8000-000000000001",
  extract: "0199bbbb-0000-7000-8000-000000000002",
  train: "0199bbbb-0000-7000-8000-000000000003",
};

const at = (seconds: number): string => `2026-01-05T06:00:${String(seconds).padStart(2, "0")}.123456+00:00`;

export const raw = { namespace: "postgres://db:5432", name: "air.public.flights" };
export const lake = { namespace: "s3://lake", name: "flights/2026.parquet" };
export const view = { namespace: "trino://trino:8080", name: "hive.air.flights" };
export const scores = { namespace: "file", name: "/data/scores.csv" };

const event = (
  run: keyof typeof runIds,
  eventType: OpenLineageRunEvent["eventType"],
  second: number,
  more: Partial<OpenLineageRunEvent> = {},
  runFacets: object = {},
): OpenLineageRunEvent => ({
  eventType,
  eventTime: at(second),
  producer: "https://example.com/airflow",
  schemaURL: "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
  run: {
    runId: runIds[run],
    facets: {
      ...(run === "dag"
        ? {}
        : { parent: { ...facet, run: { runId: runIds.dag }, job: { namespace: "airflow", name: "nightly" } } }),
      ...runFacets,
    },
  },
  job: { namespace: "airflow", name: run === "dag" ? "nightly" : `nightly.${run}` },
  ...more,
});

/** A nightly run of a scheduler: what it reads is told at the start, what it writes at the end, as Airflow's and Spark's integrations do. */
export const nightly: readonly OpenLineageRunEvent[] = [
  event("dag", "START", 0),
  event("extract", "START", 1, { inputs: [{ ...raw }] }, { airflow: foreignFacet }),
  event("extract", "RUNNING", 2, {}, { progress: { ...facet, done: 0.5 } }),
  event(
    "extract",
    "COMPLETE",
    3,
    {
      inputs: [{ ...raw, inputFacets: { inputStatistics: { ...facet, rowCount: 12 } } }],
      outputs: [
        {
          ...lake,
          facets: {
            schema: { ...facet, fields: [{ name: "delay", type: "double" }, { name: "day" }] },
            symlinks: { ...facet, identifiers: [{ ...view, type: "TABLE" }] },
            columnLineage: {
              ...facet,
              fields: {
                delay: {
                  inputFields: [
                    { ...raw, field: "arrived", transformations: [{ type: "DIRECT", subtype: "TRANSFORMATION" }] },
                    { ...raw, field: "carrier", transformations: [{ type: "INDIRECT", subtype: "JOIN" }] },
                  ],
                  transformationType: "IDENTITY",
                },
                day: { inputFields: [{ ...raw, field: "day" }] },
              },
              dataset: [{ ...raw, field: "cancelled", transformations: [{ type: "INDIRECT", subtype: "FILTER" }] }],
            },
          },
          outputFacets: { outputStatistics: { ...facet, rowCount: 12, size: 4096 } },
        },
      ],
    },
    { progress: { ...facet, done: 1 } },
  ),
  event("train", "START", 4, { inputs: [{ ...lake }] }),
  event(
    "train",
    "FAIL",
    5,
    { outputs: [{ ...scores }] },
    { errorMessage: { ...facet, message: "out of memory", programmingLanguage: "python" } },
  ),
  event("dag", "FAIL", 6),
];
