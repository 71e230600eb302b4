import { backtestInvalid } from "../errors.ts";

/** What every backtest takes. */
export interface BacktestRunOptions<Progress> {
  /** Of all intervals, in (0, 1). Default: 0.95. */
  readonly confidence?: number | undefined;
  /** Of what is drawn: what is sampled, and drifts that are injected. Default: 1. */
  readonly seed?: number | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The options with their defaults. Throws `MONITOR_BACKTEST_INVALID`. */
export function runOptionsOf({ confidence = 0.95, seed = 1 }: Pick<BacktestRunOptions<never>, "confidence" | "seed">): {
  readonly confidence: number;
  readonly seed: number;
} {
  if (!(confidence > 0 && confidence < 1)) throw backtestInvalid(`confidence must be in (0, 1), not ${confidence}`);
  return { confidence, seed };
}
