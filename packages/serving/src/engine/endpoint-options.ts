import type {
  Clock,
  FeatureSource,
  IdSource,
  Logger,
  Meter,
  ModelRuntime,
  ModelSource,
  PredictionSink,
  Redactor,
} from "@millwright/contracts";
import type { AdmissionOptions } from "../admission/admission.ts";
import type { ModelCatalog } from "../catalog/catalog-options.ts";
import type { Instruments } from "./instruments.ts";
import type { OpenTelemetry } from "../telemetry/tracing.ts";
import type { Stage } from "./stage.ts";

export interface VariantOptions {
  /** `late@champion` is followed when the alias moves; `late/3` stays. */
  readonly model: string;
  /** Share of the traffic, relative to the other variants'. At least 0. */
  readonly weight: number;
}

export interface EndpointOptions {
  /** May be empty where there are `models`. */
  readonly variants: Readonly<Record<string, VariantOptions>>;
  /** Models that requests name as their `targetModel`, loaded as they are asked for. An object of this endpoint alone. Default: none. */
  readonly models?: ModelCatalog | undefined;
  /** The feature service that answers `entities`. Default: the one the model was trained on. */
  readonly featureService?: string | undefined;
  /**
   * As whom the features of `entities` are read, through the server's `featuresAs`: always as one principal, or as each request's caller, who must then be
   * known. Default: through the server's `features`, as whoever made that.
   */
  readonly readFeaturesAs?: { readonly principal: string } | "caller" | undefined;
  /** What happens when its definition is not the one the model was trained on. Default: `"refuse"`. */
  readonly onFeatureMismatch?: "refuse" | "warn" | undefined;
  /** Most rows of several requests that go to the model at once. Default: 256. */
  readonly maxBatchRows?: number | undefined;
  /** Most rows that may wait for a model before requests are turned away. Default: 10,000. */
  readonly maxQueueRows?: number | undefined;
  /**
   * Within what time a request is to be answered, milliseconds. Batches are kept so short, by what calls of the model were seen to cost, that three of
   * them end within it; with `admission` a request that would not be answered within it is turned away. Default: batches of all that
   * waits.
   */
  readonly latencyObjectiveMs?: number | undefined;
  /** Who waits, and who is turned away, when there are more requests than are answered in time. Default: all are let in, until `maxQueueRows` wait. */
  readonly admission?: AdmissionOptions | undefined;
  /** What becomes of members of a JSON body that nothing reads. Default: `"ignore"`. */
  readonly unknownFields?: "refuse" | "ignore" | undefined;
  /** Alerts that take back each deployment whose plan names none: its `rollbackOn`. Needs the server's `alerts`. Default: none. */
  readonly rollbackOn?: readonly string[] | undefined;
  /** What stands around the answering, the first outermost: caches, shadows, fallbacks, experiments. Objects of this endpoint alone. */
  readonly stages?: readonly Stage[] | undefined;
}

/** What every endpoint of a server shares. */
export interface EndpointSetting {
  readonly source: ModelSource;
  readonly runtimes: readonly ModelRuntime[];
  readonly features: FeatureSource | undefined;
  readonly featuresAs: ((principal: string) => FeatureSource) | undefined;
  readonly predictions: PredictionSink | undefined;
  readonly redactor: Redactor | undefined;
  readonly instruments: Instruments;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly openTelemetry?: OpenTelemetry | undefined;
  readonly seed: number;
  /** For how long a model is asked before it takes traffic; absent where it is not. */
  readonly warmUpMs?: number | undefined;
}
