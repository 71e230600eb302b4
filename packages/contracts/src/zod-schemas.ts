import { z } from "zod";
import type { DatasetRef } from "./dataset.ts";
import type { EventType, MillwrightEvent } from "./event.ts";
import type { Digest, EventId } from "./ids.ts";
import type { JobHistory } from "./job-state.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { ModelManifest } from "./model-manifest.ts";

/*
 * Inside, the schemas keep their inferred types, and `Pinned` holds each to the interface people read: a member that one has and the other lacks, or
 * has otherwise, does not compile. Outside, no type of zod is seen.
 */
type Plain<Type> = Type extends string | number | boolean | null | undefined
  ? Type
  : Type extends readonly [infer First, ...infer Rest]
    ? [Plain<First>, ...{ [Index in keyof Rest]: Plain<Rest[Index]> }]
    : Type extends readonly (infer Item)[]
      ? Plain<Item>[]
      : { -readonly [Key in keyof Type]: Plain<Type[Key]> };
type Same<Left, Right> =
  (<T>() => T extends Left ? 1 : 2) extends <T>() => T extends Right ? 1 : 2 ? true : { left: Left; right: Right };
type Pinned<Inferred, Interface> = Same<Plain<Inferred>, Plain<Interface>>;

const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/)
  .describe("sha256: and 64 lower-case hexadecimal digits") as unknown as z.ZodType<Digest>;
const json = z.json() as unknown as z.ZodType<JsonValue>;
const jsonObject = z.record(z.string(), z.json()) as unknown as z.ZodType<JsonObject>;
const count = z.int().min(0);
const text = z.string().min(1);
/** Relative, with `/`, without empty, `.` or `..` segments, drive letters or control characters. */
const filePath = z.string().regex(/^(?![A-Za-z]:)(?!\/)(?!(?:.*\/)?\.{1,2}(?:\/|$))(?!.*\/\/)(?!.*\/$)[^\\\p{Cc}]+$/u);
const tensorType = z.enum([
  "bool",
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "float32",
  "float64",
  "string",
]);
const columnType = z.enum([
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "float32",
  "float64",
  "date",
  "timestamp",
  "bool",
  "utf8",
  "binary",
  "dictionary",
  "list",
]);

const tensorSpec = z.strictObject({ name: text, dtype: tensorType, shape: z.array(z.int().min(-1)) });
const jsonTensor = z.strictObject({
  dtype: tensorType,
  shape: z.array(count),
  data: z.array(z.union([z.number(), z.string(), z.boolean()])),
});

const modelManifest = z.strictObject({
  formatVersion: z.literal(1),
  name: text,
  format: text,
  files: z.array(z.strictObject({ path: filePath, sizeBytes: count, digest })),
  signature: z.strictObject({ inputs: z.array(tensorSpec), outputs: z.array(tensorSpec) }),
  transforms: jsonObject.optional(),
  featureService: z.strictObject({ name: text, digest }).optional(),
  golden: z.array(
    z.strictObject({
      inputs: z.record(z.string(), jsonTensor),
      outputs: z.record(z.string(), jsonTensor),
      tolerance: z.number().min(0),
      outputTolerances: z.record(z.string(), z.number().min(0)).optional(),
    }),
  ),
  profile: jsonObject.optional(),
  provenance: z.strictObject({
    datasets: z.record(z.string(), digest),
    code: digest.optional(),
    environment: z.record(z.string(), z.string()),
    seed: z.number().optional(),
    hyperparameters: z.record(z.string(), json),
    metrics: z.record(z.string(), z.number()),
    runId: text.optional(),
    createdTimeMs: z.number(),
  }),
});

const datasetRef = z.strictObject({
  formatVersion: z.literal(1),
  digest,
  schema: z.array(
    z.strictObject({
      name: z.string(),
      type: columnType,
      items: columnType.optional(),
      nullable: z.boolean().optional(),
    }),
  ),
  rows: count.optional(),
  parts: z.array(
    z.strictObject({
      path: text,
      format: z.enum(["parquet", "arrow", "csv", "ndjson"]),
      sizeBytes: count,
      rows: count.optional(),
    }),
  ),
});

const entityReference = z.object({
  kind: z.enum([
    "dataset",
    "run",
    "study",
    "trial",
    "model",
    "feature-service",
    "feature-view",
    "endpoint",
    "job",
    "code",
    "artifact",
  ]),
  id: text as unknown as z.ZodType<Digest | string>,
  name: z.string().optional(),
});
const families = "run|trial|model|deployment|drift|slo|alert|pipeline|job|feature|budget|audit";
const event = z.object({
  specversion: z.literal("1.0"),
  id: text as unknown as z.ZodType<EventId>,
  source: text,
  type: z.string().regex(new RegExp(`^(${families})\\.[a-z0-9][a-z0-9.-]*$`)) as unknown as z.ZodType<EventType>,
  subject: text.optional(),
  time: z.string().regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/),
  datacontenttype: z.literal("application/json"),
  causationid: (text as unknown as z.ZodType<EventId>).optional(),
  traceparent: z
    .string()
    .regex(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/)
    .optional(),
  data: z.looseObject({ made: z.array(entityReference).optional(), from: z.array(entityReference).optional() }),
});

const jobHistoryEntry = z.strictObject({
  state: z.enum([
    "pending",
    "starting",
    "downloading",
    "training",
    "uploading",
    "completed",
    "failed",
    "stopping",
    "stopped",
    "interrupted",
    "max-runtime-exceeded",
    "max-wait-time-exceeded",
  ]),
  timeMs: z.number(),
  reason: z.string().optional(),
  category: z.enum(["user", "transient", "capacity", "quota", "data", "bug"]).optional(),
  cause: z
    .enum([
      "interrupted",
      "killed",
      "terminated",
      "crashed",
      "hung",
      "memory-limit",
      "gpu-memory-limit",
      "devices-lost",
      "heap-out-of-memory",
      "kernel-out-of-memory",
      "host-out-of-memory",
      "gpu-out-of-memory",
      "same-size",
      "error",
      "exit-code",
      "protocol",
      "not-started",
    ])
    .optional(),
});
const jobHistory = z.tuple([jobHistoryEntry], jobHistoryEntry);

const manifestPin: Pinned<z.infer<typeof modelManifest>, ModelManifest> = true;
const datasetPin: Pinned<z.infer<typeof datasetRef>, DatasetRef> = true;
const eventPin: Pinned<z.infer<typeof event>, MillwrightEvent> = true;
const historyPin: Pinned<z.infer<typeof jobHistory>, JobHistory> = true;
void [manifestPin, datasetPin, eventPin, historyPin];

/** The schemas by what they describe. */
export const zodSchemas: {
  readonly modelManifest: z.ZodType<ModelManifest>;
  readonly datasetRef: z.ZodType<DatasetRef>;
  readonly event: z.ZodType<MillwrightEvent>;
  readonly jobHistory: z.ZodType<JobHistory>;
  readonly digest: z.ZodType<Digest>;
} = { modelManifest, datasetRef, event, jobHistory, digest };
