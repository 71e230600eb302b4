import type { RunHandle } from "@millwright/contracts";
import { numbersOf } from "./numbers-of.ts";

/** What `fit` of TensorFlow.js takes as `callbacks`. */
export interface LayersCallbacks {
  onEpochEnd(epoch: number, logs?: Readonly<Record<string, unknown>>): Promise<void>;
  onTrainEnd(logs?: Readonly<Record<string, unknown>>): Promise<void>;
}

export interface LayersCallbacksOptions {
  /** Goes before the names of metrics, such as `fold-1/`. Default: nothing. */
  readonly prefix?: string | undefined;
  /** Added to the epochs, of a model that is trained further. Default: 0. */
  readonly firstEpoch?: number | undefined;
}

/**
 * Logs every epoch's losses and metrics of a model of TensorFlow.js: `model.fit(x, y, { callbacks: layersCallbacks(run) })`. The step is the epoch;
 * names are those of TensorFlow.js (`loss`, `acc`, `val_loss`). The run is flushed when training ends, and is yours to end.
 */
export function layersCallbacks(
  run: RunHandle,
  { prefix = "", firstEpoch = 0 }: LayersCallbacksOptions = {},
): LayersCallbacks {
  return {
    async onEpochEnd(epoch, logs = {}) {
      const step = firstEpoch + epoch;
      run.logMetrics([...numbersOf(logs)].map(([name, value]) => ({ name: prefix + name, value, step })));
    },
    async onTrainEnd() {
      await run.flush();
    },
  };
}
