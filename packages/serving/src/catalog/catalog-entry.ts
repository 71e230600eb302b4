import type { ModelSlot } from "../engine/model-slot.ts";
import { type CatalogInstruments, createCatalogInstruments } from "./catalog-instruments.ts";
import type { CatalogModel, ModelCatalogOptions } from "./catalog-options.ts";
import { LoadFailures } from "./load-failures.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import { type CatalogHost, ModelLoader } from "./model-loader.ts";

/** A model that is loaded or being loaded; the catalog's map holds them by what was used longest ago first. */
export interface Entry {
  readonly target: string;
  readonly ref: string;
  /** Requests that use it or wait for it. */
  users: number;
  memoryBytes: number;
  slot: ModelSlot | undefined;
  /** The model that was counted last: a newer one may have taken over in the slot. */
  served: ModelSlot["served"] | undefined;
  loading: Promise<void>;
  /** Told when nobody uses it. */
  idle: (() => void) | undefined;
}

export const newEntry = (target: string, ref: string): Entry => ({
  target,
  ref,
  users: 0,
  memoryBytes: 0,
  slot: undefined,
  served: undefined,
  loading: Promise.resolve(),
  idle: undefined,
});

/** What a catalog has while its endpoint is open. */
export interface OpenState {
  readonly host: CatalogHost;
  readonly instruments: CatalogInstruments;
  readonly labels: { readonly endpoint: string };
  readonly hit: { readonly endpoint: string; readonly result: "hit" };
  readonly miss: { readonly endpoint: string; readonly result: "miss" };
  readonly ledger: MemoryLedger;
  readonly loader: ModelLoader;
  readonly failures: LoadFailures;
  readonly stop: AbortController;
}

export function openState(
  host: CatalogHost,
  options: ModelCatalogOptions,
  evict: () => Promise<void> | undefined,
): OpenState {
  const { memoryBytes, backoffMs = 1000, maxBackoffMs = 60_000, maxProcessBytes } = options;
  const { measureBytes = () => process.memoryUsage.rss() } = options;
  const { clock, meter, endpoint } = host;
  const instruments = createCatalogInstruments(meter);
  const stop = new AbortController();
  const ledger = new MemoryLedger({
    budgetBytes: memoryBytes,
    evict,
    clock,
    ...(maxProcessBytes === undefined ? {} : { process: { limitBytes: maxProcessBytes, measureBytes } }),
  });
  return {
    host,
    instruments,
    labels: { endpoint },
    hit: { endpoint, result: "hit" },
    miss: { endpoint, result: "miss" },
    ledger,
    loader: new ModelLoader({ host, options, ledger, instruments, signal: stop.signal }),
    failures: new LoadFailures({ clock, firstMs: backoffMs, longestMs: maxBackoffMs, limit: 1000 }),
    stop,
  };
}

export function modelOf({ served }: ModelSlot): CatalogModel["model"] {
  const { name, version, digest } = served.resolved;
  return { name, ...(version === undefined ? {} : { version }), digest };
}
