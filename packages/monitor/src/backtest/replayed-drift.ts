import type { CapturedPrediction } from "@millwright/contracts";
import { backtestInvalid } from "../errors.ts";
import type { DriftInjection } from "../injection/drifts.ts";
import { injectWith, type Tails } from "../injection/inject.ts";
import type { HistoryItem } from "./history-order.ts";

/** A drift that the rules should find. The answers stay those that were given: no model is asked. */
export interface ReplayedDrift {
  /** Answers of this time and later have it, UTC milliseconds. */
  readonly fromMs: number;
  /** Of features, as the injection kit makes them; rows count from 0 at `fromMs`. Answers without features stay as they are. Default: none. */
  readonly drifts?: readonly DriftInjection[] | undefined;
  /** What else changes, such as outputs, latencies or errors; it sees the features that the drifts left. Default: nothing. */
  readonly change?: ((answer: CapturedPrediction) => CapturedPrediction) | undefined;
  /** Default: all endpoints. */
  readonly endpoint?: string | undefined;
}

/** Throws `MONITOR_BACKTEST_INVALID`. */
export function checkDrift({ fromMs, drifts = [], change }: ReplayedDrift): void {
  if (!Number.isFinite(fromMs)) throw backtestInvalid(`the drift's fromMs must be a time, not ${fromMs}`);
  if (!Array.isArray(drifts)) throw backtestInvalid("the drift's drifts must be a list");
  if (change !== undefined && typeof change !== "function")
    throw backtestInvalid("the drift's change must be a function of an answer");
  if (drifts.length === 0 && change === undefined) throw backtestInvalid("the drift changes nothing");
}

/** Changes the items of a history from a time on. Throws `MONITOR_INJECTION_INVALID`. */
export function driftOf(
  { fromMs, drifts = [], change, endpoint }: ReplayedDrift,
  seed: number,
): (item: HistoryItem) => HistoryItem {
  const tails: Tails = new Map();
  let fromRow = 0;
  const injected = (answer: CapturedPrediction): CapturedPrediction => {
    const { features } = answer;
    if (features === undefined || features.length === 0 || drifts.length === 0) return answer;
    const changed = injectWith(features, drifts, { seed, fromRow }, tails);
    fromRow += features.length;
    return { ...answer, features: changed };
  };
  return (item) => {
    if (!("answer" in item) || item.answer.timeMs < fromMs) return item;
    if (endpoint !== undefined && item.answer.endpoint !== endpoint) return item;
    const answer = injected(item.answer);
    if (change === undefined) return { ...item, answer };
    const changed = change(answer);
    if (typeof changed !== "object" || changed === null) throw backtestInvalid("the drift's change gave no answer");
    return { ...item, answer: changed };
  };
}
