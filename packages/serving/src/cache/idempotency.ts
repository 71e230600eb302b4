import { createHash } from "node:crypto";
import {
  type JsonValue,
  type RecordStore,
  type StoredRecord,
  abortable,
  canonicalJson,
  encodeTensor,
  hasCode,
} from "@millwright/contracts";
import { requestInvalid } from "../errors.ts";
import { keyReused } from "./cache-errors.ts";
import type { PredictRequest, Prediction } from "../engine/prediction.ts";
import type { Next, RequestCall, Stage, StageSite } from "../engine/stage.ts";
import { boundedRecords } from "./bounded-records.ts";
import { answerFromJson, answerToJson } from "./stored-answer.ts";

export interface IdempotencyOptions {
  /** How long an answer is given again, milliseconds. Default: 86,400,000, a day. */
  readonly windowMs?: number | undefined;
  /**
   * Where answers are kept: `openRecordStore(database)` holds them over restarts and among processes. Default: in this process, the newest `maxKeys`.
   */
  readonly records?: RecordStore | undefined;
  /** Most keys in this process. Default: 100,000. */
  readonly maxKeys?: number | undefined;
  /**
   * How long a request may be under way before its process counts as dead and a duplicate asks the model itself, milliseconds: longer than any request takes.
   * Default: 60,000.
   */
  readonly claimMs?: number | undefined;
  /** How often the answer of another process is looked for, milliseconds. Default: 50. */
  readonly pollMs?: number | undefined;
}

/** What a key is doing: a process asks the model, or the answer is there. */
interface Claim {
  readonly fingerprint: string;
  readonly atMs: number;
  readonly answer?: JsonValue | undefined;
}

interface OpenIdempotency {
  readonly records: RecordStore;
  readonly site: StageSite;
  readonly windowMs: number;
  readonly claimMs: number;
  readonly pollMs: number;
  /** Requests of this process, by key. */
  readonly under: Map<string, { readonly fingerprint: string; readonly answer: Promise<Prediction> }>;
}

/**
 * Answers a request whose `idempotencyKey` was used before with the answer of then: the model is called once. Duplicates that come while it is called wait for it.
 * A key belongs to its caller (`principal`) and endpoint; with another body it is `SERVING_IDEMPOTENCY_KEY_REUSED` (422). A request that failed may be
 * sent again. Throws a `RangeError` for options out of range.
 */
export function idempotency(options: IdempotencyOptions = {}): Stage {
  const { windowMs = 86_400_000, maxKeys = 100_000, claimMs = 60_000, pollMs = 50 } = options;
  for (const [name, value] of Object.entries({ windowMs, maxKeys, claimMs, pollMs }))
    if (!(value > 0)) throw new RangeError(`${name} of idempotency must be more than 0, not ${value}.`);
  const records = options.records ?? boundedRecords(maxKeys);
  let state: OpenIdempotency | undefined;
  const stop = new AbortController();
  let sweeping: Promise<void> | undefined;
  return {
    name: "idempotency",
    open(site) {
      state = { records, site, windowMs, claimMs, pollMs, under: new Map() };
      sweeping = sweep(state, stop.signal);
    },
    request(call, next) {
      const { idempotencyKey } = call.request;
      return state === undefined || idempotencyKey === undefined ? next(call) : answerOnce(state, call, next);
    },
    async close() {
      stop.abort();
      await sweeping;
    },
  };
}

async function answerOnce(state: OpenIdempotency, call: RequestCall, next: Next<RequestCall>): Promise<Prediction> {
  const { request, endpoint } = call;
  const { idempotencyKey = "", principal = "", signal } = request;
  if (typeof idempotencyKey !== "string" || idempotencyKey === "" || idempotencyKey.length > 255)
    throw requestInvalid("its idempotency key is not a text of 1 to 255 characters", "Send a UUID as the key.");
  const scope = createHash("sha256")
    .update(JSON.stringify([principal, idempotencyKey]))
    .digest("hex");
  const key = `idempotency/${endpoint}/${scope}`;
  const fingerprint = fingerprintOf(request);
  for (let first = state.under.get(key); first !== undefined; first = state.under.get(key)) {
    if (first.fingerprint !== fingerprint) throw keyReused(idempotencyKey);
    const [outcome] = await abortable(Promise.allSettled([first.answer]), signal);
    if (outcome.status === "fulfilled") return replayed(outcome.value);
    // What failed may be tried again: by the first of those that wait.
    if (state.under.get(key) === first) state.under.delete(key);
  }
  const answer = claimed(state, { key, fingerprint, call, next });
  state.under.set(key, { fingerprint, answer });
  try {
    return await answer;
  } finally {
    if (state.under.get(key)?.answer === answer) state.under.delete(key);
  }
}

interface Asked {
  readonly key: string;
  readonly fingerprint: string;
  readonly call: RequestCall;
  readonly next: Next<RequestCall>;
}

/** Claims the key before the model is asked, and keeps the answer before it is given. */
async function claimed(state: OpenIdempotency, { key, fingerprint, call, next }: Asked): Promise<Prediction> {
  const { records, site, pollMs } = state;
  const { signal, idempotencyKey = "" } = call.request;
  for (;;) {
    const record = await records.read(key, { signal });
    const claim = record === undefined ? undefined : standing(state, record);
    if (claim !== undefined && claim.fingerprint !== fingerprint) throw keyReused(idempotencyKey);
    const answer = answerFromJson(claim?.answer);
    if (answer !== undefined) return replayed(answer);
    if (claim !== undefined) {
      await site.clock.sleep(pollMs, { signal });
      continue;
    }
    const mine = { fingerprint, atMs: site.clock.nowMs() };
    const version = await records.write(key, mine, { ifVersion: record?.version ?? 0, signal }).catch(unlessConflict);
    if (version !== undefined) return askedOnce(state, { key, fingerprint, call, next }, version);
  }
}

async function askedOnce(state: OpenIdempotency, asked: Asked, version: number): Promise<Prediction> {
  const { records, site } = state;
  const { key, fingerprint, call, next } = asked;
  let answer: Prediction;
  try {
    answer = await next(call);
  } catch (error) {
    await records
      .delete(key, { ifVersion: version })
      .catch((failure: unknown) => site.logger.warn({ key, error: failure }, "an idempotency key was not set free"));
    throw error;
  }
  const kept = { fingerprint, atMs: site.clock.nowMs(), answer: answerToJson(answer) };
  // Kept before it is given: an answer that was seen is the answer of the key for good.
  const written = await records.write(key, kept, { ifVersion: version }).catch(unlessConflict);
  // It took longer than `claimMs`, and another process answers the key: both give its answer.
  return written === undefined ? claimed(state, asked) : answer;
}

/** What a record says now; undefined where its window is over, or who claimed it is dead. */
function standing({ site, windowMs, claimMs }: OpenIdempotency, { value }: StoredRecord): Claim | undefined {
  const claim = value as unknown as Claim;
  const ageMs = site.clock.nowMs() - claim.atMs;
  return ageMs < (claim.answer === undefined ? claimMs : windowMs) ? claim : undefined;
}

const unlessConflict = (error: unknown): undefined => {
  if (!hasCode(error, "PORT_VERSION_CONFLICT")) throw error;
};

const replayed = ({ outputs, provenance }: Prediction): Prediction => ({
  outputs,
  provenance: { ...provenance, reused: "idempotency-key" },
});

/** One text for requests that ask the same; what JSON cannot carry is told apart all the same. */
function fingerprintOf({ entities, request, instances, inputs, variant, targetModel }: PredictRequest): string {
  const tensors =
    inputs === undefined
      ? undefined
      : Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, encodeTensor(tensor)]));
  const plain = asJson({ entities, request, instances, inputs: tensors, variant, targetModel });
  return createHash("sha256").update(canonicalJson(plain)).digest("hex");
}

/** Numbers that JSON does not have, whole numbers beyond 2^53 and times as marked texts. */
function asJson(value: unknown): unknown {
  if (typeof value === "bigint") return { "": `${value}n` };
  if (typeof value === "number" && !Number.isFinite(value)) return { "": String(value) };
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) return { "": JSON.stringify(value) };
  if (value instanceof Date) return { "": value.toISOString() };
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as ArrayLike<unknown>, asJson);
  if (value === null || typeof value !== "object")
    return typeof value === "function" || typeof value === "symbol" ? { "": String(value) } : value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [`.${name}`, asJson(each)]));
}

/** Removes what is over, at the beginning and each hour. */
async function sweep(state: OpenIdempotency, signal: AbortSignal): Promise<void> {
  const { records, site } = state;
  while (!signal.aborted) {
    try {
      for await (const record of records.list(`idempotency/${site.endpoint}/`, { signal }))
        if (standing(state, record) === undefined)
          await records.delete(record.key, { ifVersion: record.version, signal });
    } catch (error) {
      if (!signal.aborted && !hasCode(error, "PORT_VERSION_CONFLICT"))
        site.logger.warn({ endpoint: site.endpoint, error }, "old idempotency keys were not removed");
    }
    await site.clock.sleep(3_600_000, { signal }).catch(() => {});
  }
}
