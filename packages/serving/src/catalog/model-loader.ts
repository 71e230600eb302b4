import { resolve as absolute, sep } from "node:path";
import {
  type CallOptions,
  type Clock,
  type Logger,
  type Meter,
  type ResolvedModel,
  hasCode,
  modelUnknown,
} from "@millwright/contracts";
import { verifyModel } from "@millwright/model";
import type { ModelSlot } from "../engine/model-slot.ts";
import { modelMemory, modelTooLarge } from "./catalog-errors.ts";
import type { CatalogInstruments } from "./catalog-instruments.ts";
import type { ModelCatalogOptions } from "./catalog-options.ts";
import type { MemoryLedger } from "./memory-ledger.ts";

/** What a catalog needs of the endpoint it stands in. */
export interface CatalogHost {
  readonly endpoint: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Throws what the source throws. */
  resolve(ref: string, options: CallOptions): Promise<ResolvedModel>;
  /** Loads a package and asks its golden requests. */
  openSlot(ref: string, resolved: ResolvedModel, signal: AbortSignal): Promise<ModelSlot>;
}

export interface ModelLoaderOptions {
  readonly host: CatalogHost;
  readonly options: ModelCatalogOptions;
  readonly ledger: MemoryLedger;
  readonly instruments: CatalogInstruments;
  /** Aborts when the catalog closes. */
  readonly signal: AbortSignal;
}

export interface LoadRequest {
  /** In messages. */
  readonly target: string;
  readonly ref: string;
  readonly mayEvict: boolean;
}

export interface LoadedSlot {
  readonly slot: ModelSlot;
  readonly memoryBytes: number;
  readonly durationMs: number;
}

const rememberedSizes = 10_000;

/** Brings one model after another into memory: the package, room for it, the model. */
export class ModelLoader {
  readonly #options: ModelLoaderOptions;
  /** What packages held when they were loaded before, by digest. */
  readonly #sizes = new Map<string, number>();
  /** Packages that need not be looked at again yet, by reference. */
  readonly #verified = new Map<string, { readonly resolved: ResolvedModel; readonly untilMs: number }>();
  /** The least that models of a format were seen to hold beyond their files. */
  readonly #extras = new Map<string, number>();

  constructor(options: ModelLoaderOptions) {
    this.#options = options;
  }

  /** Throws `SERVING_MODEL_TOO_LARGE`, `SERVING_MODEL_MEMORY`, and what the source, the runtime and golden requests throw. */
  async load(request: LoadRequest): Promise<LoadedSlot> {
    const { host, ledger, instruments, signal } = this.#options;
    const { memoryBytes: budget, memoryWaitMs: waitMs = 10_000 } = this.#options.options;
    const { target, ref, mayEvict } = request;
    const labels = { endpoint: host.endpoint };
    const startMs = host.clock.monotonicMs();
    const resolved = await this.resolve(ref, { signal });
    instruments.downloading.observe((host.clock.monotonicMs() - startMs) / 1000, labels);
    const expected = this.#sizes.get(resolved.digest) ?? this.#expect(resolved);
    if (expected > budget) throw modelTooLarge(target, expected, budget);
    if (!(await ledger.reserve(expected, { mayEvict, waitMs, signal })))
      throw modelMemory(target, expected, budget, ledger.usedBytes);
    const loadMs = host.clock.monotonicMs();
    const loaded = await this.#open(request, resolved, expected);
    const endMs = host.clock.monotonicMs();
    instruments.loading.observe((endMs - loadMs) / 1000, labels);
    return { ...loaded, durationMs: endMs - startMs };
  }

  /** The package of a reference, or of a folder below `root`. Throws what the source throws. */
  async resolve(ref: string, { signal }: CallOptions): Promise<ResolvedModel> {
    const { verifiedMs = 0 } = this.#options.options;
    if (verifiedMs <= 0) return this.#find(ref, { signal });
    const { clock } = this.#options.host;
    const known = this.#verified.get(ref);
    if (known !== undefined && clock.monotonicMs() < known.untilMs) return known.resolved;
    const resolved = await this.#find(ref, { signal });
    this.#verified.delete(ref);
    this.#verified.set(ref, { resolved, untilMs: clock.monotonicMs() + verifiedMs });
    const [oldest] = this.#verified.keys();
    if (this.#verified.size > rememberedSizes && oldest !== undefined) this.#verified.delete(oldest);
    return resolved;
  }

  async #find(ref: string, { signal }: CallOptions): Promise<ResolvedModel> {
    const { root } = this.#options.options;
    if (root !== undefined && isBelow(root, ref)) return verifyModel(ref, { signal });
    try {
      return await this.#options.host.resolve(ref, { signal });
    } catch (error) {
      // Which models there are is nobody's business who asks for one.
      throw hasCode(error, "PORT_MODEL_UNKNOWN") ? modelUnknown(ref, []) : error;
    }
  }

  /** What a slot holds, as it is counted. */
  bytesOf({ served }: ModelSlot): number {
    return served.model.memoryBytes + (this.#options.options.overheadBytes ?? 0);
  }

  async #open(
    { target, ref, mayEvict }: LoadRequest,
    resolved: ResolvedModel,
    reserved: number,
  ): Promise<{ readonly slot: ModelSlot; readonly memoryBytes: number }> {
    const { host, ledger, options, signal } = this.#options;
    let slot: ModelSlot;
    try {
      slot = await host.openSlot(ref, resolved, signal);
    } catch (error) {
      this.#verified.delete(ref);
      ledger.free(reserved);
      throw error;
    }
    const memoryBytes = this.bytesOf(slot);
    this.#remember(resolved, memoryBytes);
    if (memoryBytes > options.memoryBytes) {
      await slot.close();
      ledger.free(reserved);
      throw modelTooLarge(target, memoryBytes, options.memoryBytes);
    }
    if (await ledger.settle(reserved, memoryBytes, mayEvict)) return { slot, memoryBytes };
    await slot.close();
    ledger.free(memoryBytes);
    throw modelMemory(target, memoryBytes, options.memoryBytes, ledger.usedBytes);
  }

  #expect(resolved: ResolvedModel): number {
    const { sizeOf, overheadBytes = 0 } = this.#options.options;
    if (sizeOf !== undefined) return sizeOf(resolved) + overheadBytes;
    return Math.max(1, filesOf(resolved) + (this.#extras.get(resolved.manifest.format) ?? overheadBytes));
  }

  #remember(resolved: ResolvedModel, bytes: number): void {
    const { format } = resolved.manifest;
    this.#extras.set(format, Math.min(this.#extras.get(format) ?? Number.POSITIVE_INFINITY, bytes - filesOf(resolved)));
    this.#sizes.set(resolved.digest, bytes);
    const [oldest] = this.#sizes.keys();
    if (this.#sizes.size > rememberedSizes && oldest !== undefined) this.#sizes.delete(oldest);
  }
}

const filesOf = ({ manifest }: ResolvedModel): number =>
  manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

/** Whether a path lies in the folder, and is not the folder itself. */
export const isBelow = (folder: string, path: string): boolean =>
  absolute(path).startsWith(`${absolute(folder)}${sep}`);
