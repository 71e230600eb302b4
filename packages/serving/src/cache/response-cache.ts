import { type Counter, type Gauge, type RecordStore, abortable } from "@millwright/contracts";
import type { Prediction } from "../engine/prediction.ts";
import type { ModelCall, Next, Stage, StageSite } from "../engine/stage.ts";
import { type AnswerStore, type KeptAnswer, memoryAnswerStore, recordAnswerStore } from "./answer-store.ts";
import { inputKey } from "./input-key.ts";
import { copyOutputs } from "./stored-answer.ts";

export interface ResponseCacheOptions {
  /** How long an answer may be given again, milliseconds. */
  readonly ttlMs: number;
  /** Most bytes of answers in this process. Default: 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** Where answers are kept instead: among processes, over restarts. Default: in this process. */
  readonly records?: RecordStore | undefined;
  /** Whether equal inputs at the same time are one call of the model. Default: true. */
  readonly coalesce?: boolean | undefined;
  /** Which calls may be answered from the cache. Default: all. */
  readonly cacheable?: ((call: ModelCall) => boolean) | undefined;
}

export interface ResponseCacheStats {
  readonly hits: number;
  readonly misses: number;
  /** Calls that waited for an equal one. */
  readonly coalesced: number;
  /** Answers in this process, and what they hold. */
  readonly entries: number;
  readonly bytes: number;
}

/** A stage that answers equal inputs of the same model without asking it. */
export interface ResponseCache extends Stage {
  stats(): ResponseCacheStats;
}

/**
 * Gives the answer that the same package (by its digest) gave to equal inputs before: equal tensors, or equal values of all features of the same feature service, whatever the
 * order of names. Another version never answers. Failures and degraded answers are not kept. Answers that were not worked out say so in their provenance as
 * `reused`. Throws a `RangeError` for options out of range.
 */
export function responseCache(options: ResponseCacheOptions): ResponseCache {
  const { ttlMs, maxBytes = 64 * 1024 * 1024, records, coalesce = true, cacheable } = options;
  if (!(ttlMs > 0)) throw new RangeError(`ttlMs of a response cache must be more than 0, not ${ttlMs}.`);
  if (!(maxBytes >= 0)) throw new RangeError(`maxBytes of a response cache must be at least 0, not ${maxBytes}.`);
  const counts = { hits: 0, misses: 0, coalesced: 0 };
  let state: OpenCache | undefined;
  return {
    name: "response-cache",
    open(site) {
      const { clock } = site;
      const store =
        records === undefined
          ? memoryAnswerStore({ clock, ttlMs, maxBytes })
          : recordAnswerStore(records, { clock, ttlMs });
      state = { store, site, coalesce, counts, told: countersOf(site), under: new Map(), writes: new Set() };
    },
    async model(call, next) {
      if (state === undefined || cacheable?.(call) === false) return next(call);
      return answerFrom(state, call, next);
    },
    async close() {
      if (state !== undefined) await Promise.all(state.writes);
    },
    stats: () => ({ ...counts, entries: state?.store.entries ?? 0, bytes: state?.store.bytes ?? 0 }),
  };
}

interface OpenCache {
  readonly store: AnswerStore;
  readonly site: StageSite;
  readonly coalesce: boolean;
  readonly counts: { hits: number; misses: number; coalesced: number };
  readonly told: { readonly requests: Counter; readonly bytes: Gauge };
  /** Calls that are being answered, by key. */
  readonly under: Map<string, { readonly answer: Promise<Prediction>; readonly signal: AbortSignal | undefined }>;
  readonly writes: Set<Promise<void>>;
}

const countersOf = ({ meter }: StageSite): OpenCache["told"] => ({
  requests: meter.counter("millwright_serving_response_cache_requests_total", {
    help: "Calls that a response cache saw, by result.",
    labelNames: ["endpoint", "result"],
  }),
  bytes: meter.gauge("millwright_serving_response_cache_bytes", {
    help: "What the answers that are kept in this process hold.",
    labelNames: ["endpoint"],
  }),
});

async function answerFrom(cache: OpenCache, call: ModelCall, next: Next<ModelCall>): Promise<Prediction> {
  const { store, coalesce, under } = cache;
  const { model, features, payload } = call;
  const key = `response/${call.endpoint}/${inputKey([model.digest, features?.digest ?? ""], payload)}`;
  const known = store.read(key, { signal: call.request.signal });
  const found = known instanceof Promise ? await readOr(cache, known) : known;
  if (found !== undefined) {
    count(cache, "hits");
    return reused(call, found);
  }
  for (let leader = under.get(key); coalesce && leader !== undefined; leader = under.get(key)) {
    const [outcome] = await abortable(Promise.allSettled([leader.answer]), call.request.signal);
    // Who asked first may have given up: that is no failure of this one's.
    if (outcome.status === "rejected" && leader.signal?.aborted !== true) throw outcome.reason;
    if (outcome.status === "rejected") continue;
    const answer = outcome.value;
    count(cache, "coalesced");
    return reused(call, { ...answer, outputs: copyOutputs(answer.outputs) });
  }
  count(cache, "misses");
  const asked = { answer: next(call), signal: call.request.signal };
  under.set(key, asked);
  try {
    const answer = await asked.answer;
    if (answer.provenance.degraded === undefined) keep(cache, key, answer);
    return answer;
  } finally {
    if (under.get(key) === asked) under.delete(key);
  }
}

/** A store that fails is a miss. */
async function readOr({ site }: OpenCache, read: Promise<KeptAnswer | undefined>): Promise<KeptAnswer | undefined> {
  try {
    return await read;
  } catch (error) {
    site.logger.warn({ endpoint: site.endpoint, error }, "the response cache could not be read");
    return undefined;
  }
}

function keep({ store, site, told, writes }: OpenCache, key: string, answer: Prediction): void {
  const write = store.write(key, answer);
  told.bytes.set(store.bytes, { endpoint: site.endpoint });
  if (write === undefined) return;
  const kept = write
    .catch((error: unknown) =>
      site.logger.warn({ endpoint: site.endpoint, error }, "the response cache could not be written"),
    )
    .finally(() => writes.delete(kept));
  writes.add(kept);
}

function count({ counts, told, site }: OpenCache, what: "hits" | "misses" | "coalesced"): void {
  counts[what] += 1;
  told.requests.add(1, { endpoint: site.endpoint, result: what });
}

/** The answer as this call's own. */
const reused = (
  { requestId, endpoint, variant, model, features }: ModelCall,
  { outputs, provenance }: KeptAnswer,
): Prediction => ({
  outputs,
  provenance: {
    ...provenance,
    requestId,
    endpoint,
    variant,
    model,
    ...(features === undefined ? {} : { features }),
    reused: "cache",
  },
});
