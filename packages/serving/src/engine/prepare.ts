import type { CapturedPrediction, Clock, FeatureSource, TensorSpec, Tensors } from "@millwright/contracts";
import type { Payload } from "./batch-call.ts";
import { inputInvalid, requestInvalid } from "../errors.ts";
import { pointer, stackRows } from "../http/json-tensors.ts";
import { type ServedModel, titleOf } from "./model-slot.ts";
import { type PredictRequest, type Provenance, agesOf, summarizeViews } from "./prediction.ts";
import { type Row, batchOfPlainRows, batchOfRows, batchOfTensors, checkRows } from "./rows.ts";
import { checkInputs, describeSpec } from "./signature.ts";
import type { Timings } from "./timings.ts";

/** A request ready for the batcher. */
export interface Prepared {
  readonly payload: Payload;
  readonly rows: number;
  readonly features: Provenance["features"];
  /** Where features were read: how old, by view. */
  readonly featureAgesMs?: CapturedPrediction["featureAgesMs"];
}

/** What entities are read with, and what is told how long that took. */
export interface Reading {
  readonly features: FeatureSource | undefined;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timings: Timings;
}

/** Turns what was asked into what the model takes. Throws `SERVING_REQUEST_INVALID`, `SERVING_INPUT_INVALID`, what the feature source throws. */
export function prepare(served: ServedModel, request: PredictRequest, reading: Reading): Prepared | Promise<Prepared> {
  const { entities, instances, inputs } = request;
  const given = Number(entities !== undefined) + Number(instances !== undefined) + Number(inputs !== undefined);
  if (given !== 1) {
    throw requestInvalid(`it has ${given} of \`entities\`, \`instances\` and \`inputs\``, "Send exactly one of them.");
  }
  if (request.request !== undefined && entities === undefined) {
    throw requestInvalid("it has `request` without `entities`", "Send `request` rows beside `entities`.");
  }
  if (inputs !== undefined) return fromTensors(served, inputs);
  if (instances !== undefined) return fromInstances(served, instances);
  return fromEntities(served, checkRows("entities", entities), request, reading);
}

/** Tensors of the signature, or of the columns that the transforms read. */
function fromTensors(served: ServedModel, inputs: Tensors): Prepared {
  const { columns } = served.model;
  const raw =
    columns !== undefined && !served.resolved.manifest.signature.inputs.some(({ name }) => Object.hasOwn(inputs, name));
  if (raw && Object.keys(inputs).length > 0) {
    const batch = batchOfTensors(inputs, columns);
    return { payload: { kind: "columns", batch }, rows: batch.length, features: undefined };
  }
  const { tensors, rows } = checkInputs(served.resolved.manifest.signature, inputs);
  return { payload: { kind: "tensors", tensors }, rows, features: undefined };
}

function fromInstances(served: ServedModel, instances: readonly unknown[]): Prepared {
  if (!Array.isArray(instances) || instances.length === 0) {
    throw requestInvalid(
      "`instances` is not a list with at least one row",
      "Send `instances` as a list.",
      "/instances",
    );
  }
  const { signature, transforms } = served.resolved.manifest;
  const [first] = instances as readonly unknown[];
  const named = first !== null && typeof first === "object" && !Array.isArray(first);
  if (!named) {
    const [only] = signature.inputs;
    if (transforms !== undefined || signature.inputs.length !== 1 || only === undefined) {
      throw requestInvalid(
        `row 0 of \`instances\` is not an object`,
        `${titleOf(served.resolved)} takes rows with names.`,
        "/instances/0",
      );
    }
    return fromTensors(served, { [only.name]: stackRows(only, instances) });
  }
  const wanted = signature.inputs.map(({ name }) => name);
  if (transforms === undefined && wanted.every((name) => Object.hasOwn(first, name)))
    return fromNamedInputs(served, instances);
  if (transforms === undefined) {
    // Names in the order a client happens to send them must not decide which weight they meet.
    const missing = wanted.find((name) => !Object.hasOwn(first, name)) ?? "";
    throw inputInvalid(
      missing,
      "row 0 does not have it",
      `Send ${signature.inputs.map(describeSpec).join(", ")}.`,
      undefined,
      "/instances/0",
    );
  }
  const batch = batchOfPlainRows(checkRows("instances", instances), served.model.columns ?? []);
  return { payload: { kind: "columns", batch }, rows: batch.length, features: undefined };
}

/** Instances that hold a value for each input of the signature. */
function fromNamedInputs(served: ServedModel, instances: readonly unknown[]): Prepared {
  const { inputs } = served.resolved.manifest.signature;
  for (const [row, instance] of instances.entries()) {
    if (instance === null || typeof instance !== "object" || Array.isArray(instance)) {
      throw requestInvalid(`row ${row} of \`instances\` is not an object`, "Send all rows alike.", `/instances/${row}`);
    }
    const names = new Set(inputs.map(({ name }) => name));
    const unknown = Object.keys(instance).find((name) => !names.has(name));
    if (unknown !== undefined) {
      throw inputInvalid(
        unknown,
        "the model has no such input",
        `It takes ${inputs.map(describeSpec).join(", ")}.`,
        undefined,
        pointer(["instances", row, unknown]),
      );
    }
  }
  const rows = instances as readonly Readonly<Record<string, unknown>>[];
  return fromTensors(
    served,
    Object.fromEntries(
      inputs.map((spec) => [
        spec.name,
        stackRows(
          spec,
          rows.map((row, index) => {
            if (!Object.hasOwn(row, spec.name))
              throw inputInvalid(
                spec.name,
                `row ${index} does not have it`,
                `Send ${describeSpec(spec)}.`,
                undefined,
                `/instances/${index}`,
              );
            return row[spec.name] ?? missingOf(served, spec);
          }),
          true,
        ),
      ]),
    ),
  );
}

/** What a value that is not there becomes: the model's own text for it in an input of texts, else null, of which only some types make something. */
const missingOf = ({ model }: ServedModel, { dtype }: TensorSpec): string | null =>
  dtype === "string" ? (model.missingText ?? null) : null;

async function fromEntities(
  served: ServedModel,
  entities: readonly Row[],
  { request, signal }: PredictRequest,
  { features: source, clock, timings }: Reading,
): Promise<Prepared> {
  const { features } = served;
  if (features === undefined || source === undefined) {
    throw requestInvalid(
      `${titleOf(served.resolved)} has no feature service to read entities from`,
      "Send `instances` or `inputs`.",
    );
  }
  const { description, service } = features;
  if (request !== undefined && checkRows("request", request).length !== entities.length) {
    throw requestInvalid(
      `it has ${entities.length} entities and ${request.length} rows of \`request\``,
      "Send as many of both.",
    );
  }
  if (request === undefined && description.requestInputs.length > 0) {
    throw requestInvalid(
      `the feature service "${service}" needs \`request\` rows`,
      `Send ${description.requestInputs.map(({ name }) => name).join(", ")} beside each entity.`,
    );
  }
  const asked = {
    entities: batchOfRows(entities, description.entityKeys),
    ...(request === undefined ? {} : { request: batchOfRows(request, description.requestInputs) }),
    signal,
  };
  const startMs = clock.monotonicMs();
  const vectors = await source.read(service, asked).finally(() => {
    timings.featuresMs += clock.monotonicMs() - startMs;
  });
  return {
    payload: { kind: "columns", batch: vectors.features },
    rows: entities.length,
    features: { service, digest: description.digest, views: summarizeViews(vectors.views) },
    featureAgesMs: agesOf(vectors.views),
  };
}
