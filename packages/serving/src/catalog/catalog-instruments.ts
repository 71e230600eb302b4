import type { Counter, Gauge, Histogram, Meter } from "@millwright/contracts";

/** What a catalog counts, by endpoint; SageMaker's names for it stand beside. Durations are seconds. */
export interface CatalogInstruments {
  /** Requests by `result`: `hit` where the model was loaded when they came (`ModelCacheHit`), else `miss`. */
  readonly requests: Counter;
  /** `ModelDownloadingTime`: until the package lay verified in the source's folder. */
  readonly downloading: Histogram;
  /** `ModelLoadingTime`: from the package to the model that answered its golden requests. */
  readonly loading: Histogram;
  /** `ModelUnloadingTime`. */
  readonly unloading: Histogram;
  /** `ModelLoadingWaitTime`: how long a request waited for its model. */
  readonly wait: Histogram;
  /** `LoadedModelCount`. */
  readonly loaded: Gauge;
  readonly bytes: Gauge;
  /** By `reason`: `memory`, `asked`, `uncached`, `closing`. */
  readonly unloads: Counter;
  /** By `code`. */
  readonly failures: Counter;
}

const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

export function createCatalogInstruments(meter: Meter): CatalogInstruments {
  const labelNames = ["endpoint"];
  const seconds = (what: string, help: string): Histogram =>
    meter.histogram(`millwright_serving_model_${what}_seconds`, { help, labelNames, buckets });
  return {
    requests: meter.counter("millwright_serving_model_cache_requests_total", {
      help: "Requests for a model of a catalog, by whether it was loaded when they came.",
      labelNames: ["endpoint", "result"],
    }),
    downloading: seconds("downloading", "Until the package of a model was there and verified."),
    loading: seconds("loading", "From the package to the model that answered its golden requests."),
    unloading: seconds("unloading", "Until an unloaded model had let its memory go."),
    wait: seconds("loading_wait", "How long a request waited for its model to be loaded."),
    loaded: meter.gauge("millwright_serving_loaded_models", { help: "Models that are loaded.", labelNames }),
    bytes: meter.gauge("millwright_serving_loaded_model_bytes", { help: "What loaded models hold.", labelNames }),
    unloads: meter.counter("millwright_serving_model_unloads_total", {
      help: "Models that were unloaded, by reason.",
      labelNames: ["endpoint", "reason"],
    }),
    failures: meter.counter("millwright_serving_model_load_failures_total", {
      help: "Loads that failed, by error code.",
      labelNames: ["endpoint", "code"],
    }),
  };
}
