import type { Counter } from "@millwright/contracts";
import type { RequestCall, Stage, StageSite } from "../engine/stage.ts";
import type { ModelCatalog } from "./catalog-options.ts";
import { NextModel } from "./next-model.ts";
import { TimePattern } from "./time-pattern.ts";

export interface PrefetchOptions {
  /** The catalog of the endpoint that the stage stands in. */
  readonly models: ModelCatalog;
  /** Expects what sessions were seen to ask after a model. A session is a `stickyKey`, else a tenant, else a principal. Default: on, with its defaults. */
  readonly next?:
    | false
    | {
        /** Least share of the requests after a model. Default: 0.3. */
        readonly minShare?: number | undefined;
        /** Least number of times seen. Default: 3. */
        readonly minCount?: number | undefined;
        /** Most models loaded ahead after one request. Default: 2. */
        readonly most?: number | undefined;
      }
    | undefined;
  /** Expects what was asked at the same time of earlier periods. Default: off. */
  readonly pattern?:
    | {
        /** Default: 86,400,000, a day, from midnight UTC. */
        readonly periodMs?: number | undefined;
        /** Default: 900,000, a quarter of an hour. */
        readonly slotMs?: number | undefined;
        /** How long before a slot its models are loaded, milliseconds. Default: 30,000. */
        readonly leadMs?: number | undefined;
        /** Most models loaded ahead of a slot. Default: 10. */
        readonly most?: number | undefined;
      }
    | undefined;
  /** Targets that are loaded, where they are not, and count as used again and again, so that they are not the next to go. */
  readonly pings?: readonly { readonly target: string; readonly everyMs: number }[] | undefined;
  /** Most models loaded ahead at once; what is expected beyond is left. Default: 2. */
  readonly maxConcurrent?: number | undefined;
}

export interface PrefetchStats {
  /** Requests for a model, and those that found it not loaded. */
  readonly requests: number;
  readonly cold: number;
  /** `cold` of `requests`; 0 where there were none. */
  readonly coldRate: number;
  /** Models loaded ahead, and those of them that were asked while they were there. */
  readonly prefetched: number;
  readonly used: number;
}

/** A stage that loads models before they are asked. */
export interface Prefetch extends Stage {
  stats(): PrefetchStats;
}

/**
 * Watches what is asked of a catalog and loads what is likely to be asked next, within the catalog's memory. Loading ahead never keeps a request waiting for its
 * answer, and what fails is logged. Throws a `RangeError` for options out of range.
 */
export function prefetch(options: PrefetchOptions): Prefetch {
  check(options);
  const { models, pattern, pings = [] } = options;
  const stop = new AbortController();
  const times = pattern === undefined ? undefined : timesOf(pattern);
  const watch = new Watch(options, times, stop.signal);
  const loops: Promise<void>[] = [];
  return {
    name: "prefetch",
    open(site) {
      watch.open(site);
      const { signal } = stop;
      const warm = (target: string): Promise<void> => watch.warm(target);
      if (times !== undefined) loops.push(followTimes(site, times, { warm, leadMs: leadOf(pattern), signal }));
      for (const { target, everyMs } of pings)
        loops.push(repeat(site, everyMs, signal, () => pingOne(models, target, site, signal)));
    },
    request(call, go) {
      const { targetModel } = call.request;
      if (targetModel !== undefined) watch.see(call, targetModel);
      return go(call);
    },
    async close() {
      stop.abort();
      await Promise.all(loops);
    },
    stats: () => watch.stats(),
  };
}

/** What was asked, what was loaded ahead, and how the two met. */
class Watch {
  readonly #models: ModelCatalog;
  readonly #maxConcurrent: number;
  readonly #chain: NextModel | undefined;
  readonly #times: TimePattern | undefined;
  readonly #signal: AbortSignal;
  readonly #counts = { requests: 0, cold: 0, prefetched: 0, used: 0 };
  /** Loaded ahead, and not asked yet. */
  readonly #ahead = new Set<string>();
  #site: StageSite | undefined;
  #requests: Counter | undefined;
  #loading = 0;

  constructor(
    { models, next = {}, maxConcurrent = 2 }: PrefetchOptions,
    times: TimePattern | undefined,
    signal: AbortSignal,
  ) {
    const { minShare = 0.3, minCount = 3, most = 2 } = next === false ? {} : next;
    this.#models = models;
    this.#maxConcurrent = maxConcurrent;
    this.#chain = next === false ? undefined : new NextModel({ minShare, minCount, most });
    this.#times = times;
    this.#signal = signal;
  }

  open(site: StageSite): void {
    this.#site = site;
    this.#requests = site.meter.counter("millwright_serving_cold_starts_total", {
      help: "Requests for a model of a catalog, by whether it had to be loaded.",
      labelNames: ["endpoint", "result"],
    });
  }

  see({ request, endpoint }: RequestCall, target: string): void {
    const cold = this.#models.model(target) === undefined;
    this.#counts.requests += 1;
    if (cold) this.#counts.cold += 1;
    else if (this.#ahead.has(target)) this.#counts.used += 1;
    this.#ahead.delete(target);
    this.#requests?.add(1, { endpoint, result: cold ? "cold" : "warm" });
    if (this.#site !== undefined) this.#times?.see(target, this.#site.clock.nowMs());
    const { stickyKey, tenant, principal } = request;
    for (const each of this.#chain?.see(stickyKey ?? tenant ?? principal ?? "", target) ?? []) void this.warm(each);
  }

  async warm(target: string): Promise<void> {
    if (this.#models.model(target) !== undefined || this.#loading >= this.#maxConcurrent) return;
    this.#loading += 1;
    try {
      await this.#models.warm(target, { signal: this.#signal });
      this.#counts.prefetched += 1;
      this.#ahead.add(target);
      const [oldest] = this.#ahead;
      if (this.#ahead.size > 10_000 && oldest !== undefined) this.#ahead.delete(oldest);
    } catch (error) {
      const { logger, endpoint } = this.#site ?? {};
      if (!this.#signal.aborted) logger?.warn({ endpoint, target, error }, "a model was not prefetched");
    } finally {
      this.#loading -= 1;
    }
  }

  stats(): PrefetchStats {
    const { requests, cold } = this.#counts;
    return { ...this.#counts, coldRate: requests === 0 ? 0 : cold / requests };
  }
}

type Pattern = NonNullable<PrefetchOptions["pattern"]>;

const timesOf = ({ periodMs = 86_400_000, slotMs = 900_000, most = 10 }: Pattern): TimePattern =>
  new TimePattern({ periodMs, slotMs, most });

const leadOf = ({ leadMs = 30_000 }: Pattern = {}): number => leadMs;

/** Before each slot, what it is expected to ask. */
async function followTimes(
  { clock }: StageSite,
  times: TimePattern,
  { warm, leadMs, signal }: { warm: (target: string) => Promise<void>; leadMs: number; signal: AbortSignal },
): Promise<void> {
  let slotMs = times.nextSlotMs(clock.nowMs() + leadMs);
  while (!signal.aborted) {
    await clock.sleep(Math.max(0, slotMs - leadMs - clock.nowMs()), { signal }).catch(() => {});
    if (signal.aborted) return;
    // One after another: the likeliest first, and requests that need a lane meanwhile get one.
    for (const target of times.expected(slotMs)) await warm(target);
    slotMs = times.nextSlotMs(Math.max(slotMs, clock.nowMs() + leadMs));
  }
}

async function repeat(
  { clock }: StageSite,
  everyMs: number,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await work();
    await clock.sleep(everyMs, { signal }).catch(() => {});
  }
}

async function pingOne(models: ModelCatalog, target: string, site: StageSite, signal: AbortSignal): Promise<void> {
  try {
    await models.warm(target, { signal });
  } catch (error) {
    if (!signal.aborted) site.logger.warn({ endpoint: site.endpoint, target, error }, "a model was not kept warm");
  }
}

function check({ next, pattern, pings = [], maxConcurrent = 1 }: PrefetchOptions): void {
  const { minShare = 1, minCount = 1, most = 1 } = next === undefined || next === false ? {} : next;
  const { periodMs = 1, slotMs = 1, leadMs = 0, most: mostOfSlot = 1 } = pattern ?? {};
  const positive = { maxConcurrent, minCount, most, periodMs, slotMs, "most of a slot": mostOfSlot };
  for (const [name, value] of Object.entries(positive))
    if (!(value > 0)) throw new RangeError(`${name} of prefetch must be more than 0, not ${value}.`);
  if (!(minShare > 0 && minShare <= 1))
    throw new RangeError(`minShare of prefetch must be in (0, 1], not ${minShare}.`);
  if (!(leadMs >= 0)) throw new RangeError(`leadMs of prefetch must be at least 0, not ${leadMs}.`);
  for (const { target, everyMs } of pings)
    if (!(everyMs > 0)) throw new RangeError(`everyMs of the ping of "${target}" must be more than 0, not ${everyMs}.`);
}
