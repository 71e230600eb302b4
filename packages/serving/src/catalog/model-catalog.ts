import {
  type CallOptions,
  type ResolvedModel,
  abortable,
  isMillwrightError,
  modelUnknown,
} from "@millwright/contracts";
import { draining, forbidden } from "../errors.ts";
import type { ModelSlot } from "../engine/model-slot.ts";
import type { ModelStatistics } from "../engine/model-statistics.ts";
import { checkCatalogOptions, checkTarget } from "./catalog-checks.ts";
import { loadsWaiting, modelAlreadyLoaded, modelNotLoaded } from "./catalog-errors.ts";
import { type Entry, type OpenState, modelOf, newEntry, openState } from "./catalog-entry.ts";
import type {
  CatalogEvent,
  CatalogLoadOptions,
  CatalogModel,
  CatalogStats,
  ModelCatalog,
  ModelCatalogOptions,
  UnloadReason,
} from "./catalog-options.ts";
import { LoadLanes } from "./load-lanes.ts";
import type { CatalogHost } from "./model-loader.ts";

interface Caller {
  readonly principal?: string | undefined;
}

/** The models of one endpoint, as the server sees them. */
export class Catalog implements ModelCatalog {
  readonly options: ModelCatalogOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #pins: Set<string>;
  readonly #lanes: LoadLanes;
  readonly #describing = new Map<string, Promise<ResolvedModel>>();
  readonly #unloading = new Set<Promise<void>>();
  readonly #held = { loaded: 0, memoryBytes: 0 };
  readonly #counts = { hits: 0, misses: 0, loads: 0, failures: 0, evictions: 0 };
  #state: OpenState | undefined;

  constructor(options: ModelCatalogOptions) {
    checkCatalogOptions(options);
    this.options = options;
    this.#pins = new Set(options.pins);
    this.#lanes = new LoadLanes(options.maxConcurrentLoads ?? 2);
  }

  /** Loads what is pinned. Throws what loading throws. */
  async open(host: CatalogHost): Promise<void> {
    if (this.#state !== undefined) throw new TypeError("A model catalog stands in one endpoint.");
    this.#state = openState(host, this.options, () => this.#evict());
    for (const target of this.#pins) await this.pin(target);
  }

  /** Waits for what is being loaded and used, and unloads everything. */
  async close(): Promise<void> {
    const { stop } = this.#state ?? {};
    stop?.abort(draining());
    await Promise.all([...this.#entries.values()].map((entry) => this.#unload(entry, "closing")));
    await Promise.all(this.#unloading);
  }

  /** Answers with the model of a target, which is loaded first where it is not; it stays until `work` settles. */
  async use<Result>(
    target: string,
    { principal, signal, counted = true }: CallOptions & Caller & { readonly counted?: boolean },
    work: (slot: ModelSlot) => Promise<Result>,
  ): Promise<Result> {
    const { instruments, hit: hitLabels, miss } = this.#opened();
    this.#checkUse(target, principal);
    const found = this.#entries.get(target);
    const hit = found?.slot !== undefined;
    if (counted) {
      this.#counts[hit ? "hits" : "misses"] += 1;
      instruments.requests.add(1, hit ? hitLabels : miss);
    }
    const entry = found ?? this.#begin(target, {});
    this.#touch(entry);
    entry.users += 1;
    try {
      if (!hit) await this.#awaitLoad(entry, signal);
      return await work(this.#slotOf(entry));
    } finally {
      this.#release(entry);
    }
  }

  async load(target: string, { ref, mayEvict, signal }: CatalogLoadOptions = {}): Promise<CatalogModel> {
    signal?.throwIfAborted();
    this.#opened();
    if (this.#entries.has(target)) throw modelAlreadyLoaded(target);
    const entry = this.#begin(target, { ref, mayEvict });
    await this.#hold(entry, signal);
    return this.#describe(entry);
  }

  async unload(target: string, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#opened();
    const entry = this.#entries.get(target);
    if (entry === undefined) throw modelNotLoaded(target);
    this.#pins.delete(target);
    await abortable(this.#unload(entry, "asked"), signal);
  }

  async pin(target: string, options: CallOptions = {}): Promise<void> {
    await this.warm(target, options);
    this.#pins.add(target);
  }

  async warm(target: string, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#opened();
    await this.#hold(this.#entries.get(target) ?? this.#begin(target, {}), signal);
  }

  unpin(target: string): void {
    this.#pins.delete(target);
    this.#state?.ledger.released();
  }

  models(): readonly CatalogModel[] {
    return [...this.#entries.values()].filter(({ slot }) => slot !== undefined).map((entry) => this.#describe(entry));
  }

  model(target: string): CatalogModel | undefined {
    const entry = this.#entries.get(target);
    return entry?.slot === undefined ? undefined : this.#describe(entry);
  }

  /** What a loaded model has done since then. */
  statistics(target: string): ModelStatistics | undefined {
    return this.#entries.get(target)?.slot?.served.statistics;
  }

  stats(): CatalogStats {
    return { ...this.#counts, ...this.#held };
  }

  /** What a target is, loaded or not, without loading it. Throws what the source throws, and `SERVING_FORBIDDEN`. */
  async describe(target: string, { principal, signal }: CallOptions & Caller = {}): Promise<ResolvedModel> {
    const { loader, failures, stop } = this.#opened();
    this.#checkUse(target, principal);
    const loaded = this.#entries.get(target)?.slot?.served.resolved;
    if (loaded !== undefined) return loaded;
    failures.check(target);
    let pending = this.#describing.get(target);
    if (pending === undefined) {
      this.#checkWaiting();
      const ref = this.#refOf(target);
      pending = this.#lanes.run(() => loader.resolve(ref, { signal: stop.signal }), { signal: stop.signal });
      pending = pending.finally(() => this.#describing.delete(target));
      this.#describing.set(target, pending);
    }
    return abortable(pending, signal);
  }

  #checkWaiting(): void {
    const { maxWaitingLoads = 1000 } = this.options;
    if (this.#lanes.waiting >= maxWaitingLoads) throw loadsWaiting(this.#opened().host.endpoint, this.#lanes.waiting);
  }

  #checkUse(target: string, principal: string | undefined): void {
    if (this.options.mayUse?.(target, principal) === false)
      throw forbidden(this.#opened().host.endpoint, `its model "${target}" is not for this caller`);
  }

  #opened(): OpenState {
    if (this.#state === undefined || this.#state.stop.signal.aborted) throw draining();
    return this.#state;
  }

  /** Starts the one load of a target; whoever asks for it meanwhile waits for the same. */
  #begin(target: string, { ref, mayEvict = true }: CatalogLoadOptions): Entry {
    const { failures } = this.#opened();
    checkTarget(target);
    failures.check(target);
    this.#checkWaiting();
    const entry = newEntry(target, ref ?? this.#refOf(target));
    this.#entries.set(target, entry);
    entry.loading = this.#loadInLane(entry, mayEvict);
    // Whoever waits sees the failure; nobody need wait.
    entry.loading.catch(() => {});
    return entry;
  }

  #refOf(target: string): string {
    checkTarget(target);
    const { refOf = (text: string) => text.replace(/\.tar\.gz$/, "") } = this.options;
    const ref = refOf(target);
    if (ref === undefined) throw modelUnknown(target, []);
    return ref;
  }

  async #loadInLane(entry: Entry, mayEvict: boolean): Promise<void> {
    const { host, failures, stop, instruments, labels } = this.#opened();
    try {
      await this.#lanes.run(() => this.#load(entry, mayEvict), { signal: stop.signal });
      failures.forget(entry.target);
    } catch (error) {
      if (this.#entries.get(entry.target) === entry) this.#entries.delete(entry.target);
      if (stop.signal.aborted) throw error;
      const code = isMillwrightError(error) ? error.code : "none";
      // What lacks memory now may have it with the next request.
      if (code !== "SERVING_MODEL_MEMORY") failures.note(entry.target, error);
      this.#counts.failures += 1;
      instruments.failures.add(1, { ...labels, code });
      host.logger.warn({ endpoint: host.endpoint, target: entry.target, error }, "a model of a catalog was not loaded");
      this.#tell({ type: "failed", target: entry.target, error });
      throw error;
    }
  }

  async #load(entry: Entry, mayEvict: boolean): Promise<void> {
    const { loader } = this.#opened();
    const { slot, memoryBytes, durationMs } = await loader.load({ target: entry.target, ref: entry.ref, mayEvict });
    this.#counts.loads += 1;
    if (this.options.watch === true) slot.watch();
    entry.memoryBytes = memoryBytes;
    entry.served = slot.served;
    entry.slot = slot;
    this.#count(1, memoryBytes);
    this.#tell({ type: "loaded", target: entry.target, model: modelOf(slot), memoryBytes, durationMs });
  }

  async #awaitLoad(entry: Entry, signal: AbortSignal | undefined): Promise<void> {
    const { host, instruments, labels } = this.#opened();
    const startMs = host.clock.monotonicMs();
    try {
      await abortable(entry.loading, signal);
    } finally {
      instruments.wait.observe((host.clock.monotonicMs() - startMs) / 1000, labels);
    }
  }

  /** Waits for a load, through which the model is not unloaded. */
  async #hold(entry: Entry, signal: AbortSignal | undefined): Promise<void> {
    this.#touch(entry);
    entry.users += 1;
    try {
      await abortable(entry.loading, signal);
    } finally {
      this.#release(entry);
    }
  }

  #slotOf(entry: Entry): ModelSlot {
    const slot = entry.slot as ModelSlot;
    if (slot.served !== entry.served) this.#recount(entry, slot);
    return slot;
  }

  /** A newer model took over in the slot. */
  #recount(entry: Entry, slot: ModelSlot): void {
    const { ledger, loader } = this.#opened();
    const bytes = loader.bytesOf(slot);
    const before = entry.memoryBytes;
    entry.memoryBytes = bytes;
    entry.served = slot.served;
    this.#count(0, bytes - before);
    void ledger.settle(before, bytes, true);
  }

  #touch(entry: Entry): void {
    if (this.#entries.get(entry.target) !== entry) return;
    this.#entries.delete(entry.target);
    this.#entries.set(entry.target, entry);
  }

  #release(entry: Entry): void {
    entry.users -= 1;
    if (entry.users > 0) return;
    entry.idle?.();
    if (this.options.caching === false && entry.slot !== undefined && !this.#pins.has(entry.target))
      void this.#unload(entry, "uncached");
    else this.#state?.ledger.released();
  }

  /** Begins to unload what was used longest ago and may go. */
  #evict(): Promise<void> | undefined {
    for (const entry of this.#entries.values()) {
      if (entry.slot === undefined || entry.users > 0 || this.#pins.has(entry.target)) continue;
      this.#counts.evictions += 1;
      return this.#unload(entry, "memory");
    }
    return undefined;
  }

  /** Nobody finds it from here on; its memory is free when this resolves. */
  #unload(entry: Entry, reason: UnloadReason): Promise<void> {
    if (this.#entries.get(entry.target) === entry) this.#entries.delete(entry.target);
    const unloading = this.#dispose(entry, reason).finally(() => this.#unloading.delete(unloading));
    this.#unloading.add(unloading);
    return unloading;
  }

  async #dispose(entry: Entry, reason: UnloadReason): Promise<void> {
    const { host, instruments, labels, ledger } = this.#state as OpenState;
    await entry.loading.catch(() => {});
    while (entry.users > 0) {
      await new Promise<void>((resolve) => {
        entry.idle = resolve;
      });
    }
    const { slot } = entry;
    if (slot === undefined) return;
    entry.slot = undefined;
    const startMs = host.clock.monotonicMs();
    await slot.close();
    ledger.free(entry.memoryBytes);
    instruments.unloading.observe((host.clock.monotonicMs() - startMs) / 1000, labels);
    instruments.unloads.add(1, { ...labels, reason });
    this.#count(-1, -entry.memoryBytes);
    this.#tell({ type: "unloaded", target: entry.target, memoryBytes: entry.memoryBytes, reason });
  }

  #describe(entry: Entry): CatalogModel {
    const { target, ref, memoryBytes, users, slot } = entry;
    return { target, ref, model: modelOf(slot as ModelSlot), memoryBytes, pinned: this.#pins.has(target), users };
  }

  #count(models: number, bytes: number): void {
    const { instruments, labels } = this.#state as OpenState;
    this.#held.loaded += models;
    this.#held.memoryBytes += bytes;
    instruments.loaded.set(this.#held.loaded, labels);
    instruments.bytes.set(this.#held.memoryBytes, labels);
  }

  #tell(event: CatalogEvent): void {
    try {
      this.options.onEvent?.(event);
    } catch (error) {
      this.#state?.host.logger.warn({ target: event.target, error }, "onEvent of a catalog threw");
    }
  }
}
