/**
 * How the chance of a false alarm is shared out over windows that follow each other. `none`: `alpha` is that of each window, and false alarms come
 * every 1/`alpha` windows. `spending`: the chance of any false alarm in `windows` of them together, spent in equal parts and then granted again: with
 * `alpha` 0.05 and 100 windows one comes at most every 2,000 on average. `online-fdr`: the expected share of false ones among all windows that
 * alarm (LORD++: Ramdas, Yang, Wainwright and Jordan, 2017); where nothing happens for long, levels fall.
 */
export type AcrossWindows =
  | { readonly kind: "none" }
  | { readonly kind: "online-fdr" }
  | { readonly kind: "spending"; readonly windows: number };

export interface AlphaSchedule {
  /** The level at which the next window is judged. */
  level(): number;
  /** Goes on to the next window; `rejected`: this one's p-value was at most its level. */
  advance(rejected: boolean): void;
}

export function createAlphaSchedule(alpha: number, across: AcrossWindows): AlphaSchedule {
  if (across.kind === "online-fdr") return lord(alpha);
  const level = across.kind === "spending" ? alpha / across.windows : alpha;
  return { level: () => level, advance: () => {} };
}

/** Javanmard and Montanari, "Online rules for control of false discovery rate" (2018), equation 31: a sequence that sums to 1. */
const weight = (index: number): number =>
  (0.0772 * Math.log(Math.max(index, 2))) / (index * Math.exp(Math.sqrt(Math.log(index))));

/** Rejections longer ago than this add next to nothing. */
const remembered = 1000;

function lord(alpha: number): AlphaSchedule {
  const start = alpha / 10;
  let window = 1;
  let first: number | undefined;
  let later: number[] = [];
  return {
    level: () =>
      start * weight(window) +
      (first === undefined ? 0 : (alpha - start) * weight(window - first)) +
      later.reduce((sum, rejection) => sum + alpha * weight(window - rejection), 0),
    advance(rejected) {
      if (rejected) {
        if (first === undefined) first = window;
        else later = [...later.slice(-remembered), window];
      }
      window += 1;
    },
  };
}
