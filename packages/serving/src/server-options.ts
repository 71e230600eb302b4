import type {
  AlertSource,
  Authorizer,
  CallOptions,
  Clock,
  EventLog,
  FeatureSource,
  IdSource,
  LeaseStore,
  Logger,
  Meter,
  ModelRuntime,
  ModelSource,
  PredictionSink,
  Redactor,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { EndpointConfiguration, ServerParts } from "./reload/configuration.ts";
import type { WarmUpOptions } from "./engine/warm-up.ts";
import type { DeploymentGate } from "./rollout/gates.ts";
import type { ExchangeSink } from "./http/exchange.ts";
import type { Authenticate } from "./auth/authenticate.ts";
import type { MetricsSource } from "./telemetry/metrics-route.ts";
import type { OpenTelemetry } from "./telemetry/tracing.ts";

export interface ModelServerOptions extends CallOptions {
  readonly source: ModelSource;
  /** The first that names a package's format loads it. */
  readonly runtimes: readonly ModelRuntime[];
  /** Answers `entities`. Without it endpoints take `instances` and `inputs`. */
  readonly features?: FeatureSource | undefined;
  /**
   * The features as a principal may see them, for endpoints that say `readFeaturesAs`; with the feature store
   * `(principal) => restrictStore(store, { services, authorizer, principal })`. Called for each request that is read as its caller.
   */
  readonly featuresAs?: ((principal: string) => FeatureSource) | undefined;
  /** By the name that clients call; `reconfigure` changes them while they are served. */
  readonly endpoints: Readonly<Record<string, EndpointConfiguration>>;
  /** The endpoint of `/invocations`. Default: the first. */
  readonly defaultEndpoint?: string | undefined;
  /** What makes the stages and catalogs that a configuration names. Default: it names none. */
  readonly parts?: ServerParts | undefined;
  /** Whether `/configuration` is there: read and changed over HTTP by whom `authorizer`, which it needs, allows `server:configuration` and `server:reconfigure`. Default: false. */
  readonly configurationRoutes?: boolean | undefined;
  /** Default: counts nothing. */
  readonly meter?: Meter | undefined;
  /** Takes every answered and failed request after its answer. Default: none. */
  readonly predictions?: PredictionSink | undefined;
  /**
   * Masks features and outputs before they are captured; with it the log is told of errors by name and code alone, since their messages may quote values. Default:
   * nothing is masked.
   */
  readonly redactor?: Redactor | undefined;
  /** Takes what was asked over HTTP and answered well, as its bytes were: `openDataCapture` of the door `capture`. Default: none. */
  readonly exchanges?: ExchangeSink | undefined;
  /** What `rollbackOn` of a deployment listens to. */
  readonly alerts?: AlertSource | undefined;
  /** What `gates` of a deployment name: each is asked before it begins. */
  readonly gates?: Readonly<Record<string, DeploymentGate>> | undefined;
  /** Keeps deployments over restarts and among processes; without it they live as long as the server. Never closed by the server. */
  readonly database?: Database | undefined;
  /** Told of deployments where there is no `database` (whose own log is told otherwise). */
  readonly events?: EventLog | undefined;
  /** Who decides on a deployment among several processes. Default: leases in `database`. */
  readonly leases?: LeaseStore | undefined;
  /** Asked for `endpoint:invoke` before a request over HTTP is answered. Default: everybody may. */
  readonly authorizer?: Authorizer | undefined;
  /**
   * Says who sent a request over HTTP, before its body is read: 401 where nobody is known, but for health. The door `auth` has API keys, tokens, certificates
   * and signatures; a function of yours fits as well. Default: everybody is answered.
   */
  readonly authenticate?: Authenticate | undefined;
  /** Who asks, by the request's headers (lower-case names). Default: nobody is known. */
  readonly principal?: ((headers: Readonly<Record<string, string | undefined>>) => string | undefined) | undefined;
  /** Traces of requests, with `@opentelemetry/api` as it is imported: `openTelemetry: api`. Default: none. */
  readonly openTelemetry?: OpenTelemetry | undefined;
  /** What `GET /metrics` answers: a meter of the monitor's is one. Default: there is no such route. */
  readonly metrics?: MetricsSource | undefined;
  /** `"background"`: `openModelServer` resolves at once, and `health` tells how the loading goes on. Default: `"wait"`. */
  readonly startup?: "wait" | "background" | undefined;
  /**
   * What a model does that cannot be loaded at the start. `"fail"`: the opening fails. `"degrade"`: its endpoint answers 503 with the reason while the others
   * work, the server says that it is not ready, and it is tried again in the background. Default: `"fail"`.
   */
  readonly onLoadFailure?: "fail" | "degrade" | undefined;
  /** Until a failed endpoint is tried again, milliseconds; doubled each time, up to a minute. Default: 1,000. */
  readonly loadRetryMs?: number | undefined;
  /** Whether `/ping` asks every model its golden requests, at most once a second. Default: false. */
  readonly deepPing?: boolean | undefined;
  /**
   * Asks each model before it takes traffic, at the start, in reloads, deployments and catalogs: its golden requests, else made-up values in its shapes, from JSON to JSON, one
   * row and batches, until its answers settle. Default: it is asked its golden requests once.
   */
  readonly warmUp?: WarmUpOptions | undefined;
  /** Whether models follow their aliases. Default: true. */
  readonly watch?: boolean | undefined;
  /** Default: 16 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** How long the body of a request may take to arrive, milliseconds; where it is answered while it arrives, between two pieces. Default: 60,000. */
  readonly bodyTimeoutMs?: number | undefined;
  /** How long a process that decides may be silent before another takes over, milliseconds. Default: 10,000. */
  readonly leaseTtlMs?: number | undefined;
  /** How often the database is looked at for what other processes decided, milliseconds. Default: 500. */
  readonly pollMs?: number | undefined;
  /** Of the hash that gives a key its variant: servers with equal seeds agree. Default: 0. */
  readonly seed?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
  readonly logger?: Logger | undefined;
}

export interface DrainOptions extends CallOptions {
  /** How long requests are still taken while readiness says no, so that whoever balances the load notices. Default: 0. */
  readonly graceMs?: number | undefined;
  /** How long the requests at hand may take after the grace; then they are given up with `SERVING_DRAINING`. Default: as long as they take. */
  readonly timeoutMs?: number | undefined;
}
