import type { CapturedPrediction } from "@millwright/contracts";
import type { QualitySums } from "../quality/quality.ts";
import {
  lazyWindow,
  mergeWindows,
  type Observation,
  openWindow,
  type OpenWindow,
  type WindowSummary,
} from "./window.ts";

export type AnsweringModel = CapturedPrediction["model"];

export interface WindowBookOptions {
  /** Length of a window. */
  readonly windowMs: number;
  /** How long windows are kept apart before an hour's are merged into one. */
  readonly fineMs: number;
  /** How long anything is kept. */
  readonly retainMs: number;
}

/** What every variant of every endpoint did, by windows of time. */
export interface WindowBook {
  /** @param model What answered. */
  observe(endpoint: string, variant: string, timeMs: number, observation: Observation, model?: AnsweringModel): void;
  /** What answers for the variant now, as far as it was told. */
  model(endpoint: string, variant: string): AnsweringModel | undefined;
  /** The sums of the window that holds the time; undefined where it is gone. */
  qualityAt(endpoint: string, variant: string, timeMs: number): QualitySums | undefined;
  /** All windows that overlap `[fromMs, toMs)`, merged as it is asked for. */
  read(endpoint: string, variant: string, fromMs: number, toMs: number): WindowSummary;
  endpoints(): readonly string[];
  variants(endpoint: string): readonly string[];
  /** Forgets a variant. */
  forget(endpoint: string, variant: string): void;
  /** Merges and forgets what has grown old. */
  compact(nowMs: number): void;
}

const hourMs = 3_600_000;

interface VariantWindows {
  /** By start time. */
  readonly fine: Map<number, OpenWindow>;
  readonly coarse: Map<number, WindowSummary>;
  model: AnsweringModel | undefined;
}

const startOf = (timeMs: number, length: number): number => Math.floor(timeMs / length) * length;

export function createWindowBook(options: WindowBookOptions): WindowBook {
  const { windowMs } = options;
  const book = new Map<string, Map<string, VariantWindows>>();
  const find = (endpoint: string, variant: string): VariantWindows | undefined => book.get(endpoint)?.get(variant);
  const make = (endpoint: string, variant: string): VariantWindows => {
    const variants = book.get(endpoint) ?? new Map<string, VariantWindows>();
    book.set(endpoint, variants);
    const windows = variants.get(variant) ?? {
      fine: new Map<number, OpenWindow>(),
      coarse: new Map<number, WindowSummary>(),
      model: undefined,
    };
    variants.set(variant, windows);
    return windows;
  };
  return {
    observe(endpoint, variant, timeMs, observation, model) {
      const windows = make(endpoint, variant);
      const { fine } = windows;
      windows.model = model ?? windows.model;
      const start = startOf(timeMs, windowMs);
      const window = fine.get(start) ?? openWindow();
      fine.set(start, window);
      window.observe(observation);
    },
    model: (endpoint, variant) => find(endpoint, variant)?.model,
    qualityAt(endpoint, variant, timeMs) {
      const windows = find(endpoint, variant);
      return (
        windows?.fine.get(startOf(timeMs, windowMs))?.quality ?? windows?.coarse.get(startOf(timeMs, hourMs))?.quality
      );
    },
    read(endpoint, variant, fromMs, toMs) {
      const windows = find(endpoint, variant);
      const parts = [
        ...[...(windows?.coarse ?? [])].filter(([start]) => start + hourMs > fromMs && start < toMs),
        ...[...(windows?.fine ?? [])]
          .filter(([start]) => start + windowMs > fromMs && start < toMs)
          .map(([start, window]) => [start, window.summary()] as const),
      ];
      return lazyWindow(parts.toSorted(([a], [b]) => a - b).map(([, summary]) => summary));
    },
    endpoints: () => [...book.keys()],
    variants: (endpoint) => [...(book.get(endpoint)?.keys() ?? [])],
    forget: (endpoint, variant) => void book.get(endpoint)?.delete(variant),
    compact(nowMs) {
      for (const [endpoint, variants] of book) {
        for (const [variant, windows] of variants) {
          compactVariant(windows, options, nowMs);
          if (windows.fine.size === 0 && windows.coarse.size === 0) variants.delete(variant);
        }
        if (variants.size === 0) book.delete(endpoint);
      }
    },
  };
}

function compactVariant(
  { fine, coarse }: VariantWindows,
  { windowMs, fineMs, retainMs }: WindowBookOptions,
  nowMs: number,
): void {
  for (const [start, window] of [...fine].toSorted(([a], [b]) => a - b)) {
    if (start + windowMs <= nowMs - retainMs) fine.delete(start);
    if (start + windowMs > nowMs - Math.min(fineMs, retainMs) || !fine.has(start)) continue;
    const hour = startOf(start, hourMs);
    coarse.set(
      hour,
      mergeWindows([...(coarse.has(hour) ? [coarse.get(hour) as WindowSummary] : []), window.summary()]),
    );
    fine.delete(start);
  }
  for (const start of coarse.keys()) if (start + hourMs <= nowMs - retainMs) coarse.delete(start);
}
