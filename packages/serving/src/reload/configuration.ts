import type { CallOptions, Digest, JsonObject, JsonValue } from "@millwright/contracts";
import type { ModelCatalog } from "../catalog/catalog-options.ts";
import type { EndpointOptions } from "../engine/endpoint-options.ts";
import type { Stage } from "../engine/stage.ts";

/** Something that a configuration names and the server's `parts` make: so a configuration is data, and outlives the process. */
export interface Part {
  readonly part: string;
  readonly options?: JsonObject | undefined;
}

/** An endpoint as a configuration says it: stages and catalogs may be named instead of given. */
export interface EndpointConfiguration extends Omit<EndpointOptions, "models" | "stages"> {
  readonly models?: ModelCatalog | Part | undefined;
  readonly stages?: readonly (Stage | Part)[] | undefined;
}

/** What a server serves, and changes while it does. */
export interface ServerConfiguration {
  /** By the name that clients call. */
  readonly endpoints: Readonly<Record<string, EndpointConfiguration>>;
  /** The endpoint of `/invocations`. Default: the first. */
  readonly defaultEndpoint?: string | undefined;
}

export interface PartSite {
  readonly endpoint: string;
}

/** What makes the parts that configurations name. Called once for each endpoint that names one, and again where its options change. */
export interface ServerParts {
  readonly stages?: Readonly<Record<string, (options: JsonObject, site: PartSite) => Stage>> | undefined;
  readonly catalogs?: Readonly<Record<string, (options: JsonObject, site: PartSite) => ModelCatalog>> | undefined;
}

/** One difference between what is served and what was asked for. */
export interface ConfigurationDifference {
  /** As a JSON Pointer (RFC 6901). */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  readonly before?: JsonValue | undefined;
  readonly after?: JsonValue | undefined;
}

/** A configuration that was applied. */
export interface ConfigurationVersion {
  /** From 1, the one the server was opened with; one more for each that was applied after it. */
  readonly number: number;
  /** Of the document: equal configurations have equal ones. */
  readonly digest: Digest;
  /** The configuration as data; stages and catalogs that were given as objects stand there by their names alone. */
  readonly document: JsonObject;
  /** To the version before. */
  readonly differences: readonly ConfigurationDifference[];
  /** Since the Unix epoch, milliseconds. */
  readonly appliedMs: number;
  readonly by?: string | undefined;
  readonly reason?: string | undefined;
  /** The version whose document this one has again, where it was a roll-back. */
  readonly rolledBackTo?: number | undefined;
  /** Why a process that starts cannot serve it: it holds objects. Absent where it can. */
  readonly unrestorable?: string | undefined;
}

/** What the server serves now, and how that came. */
export interface CurrentConfiguration extends ConfigurationVersion {
  /** The newest version of the database, where this process does not serve it, and why. */
  readonly behind?: { readonly number: number; readonly reason: string } | undefined;
}

export interface ReconfigureOptions extends CallOptions {
  /** Who asks. */
  readonly by?: string | undefined;
  readonly reason?: string | undefined;
  /** Checks all and loads the models, then closes them again and changes nothing. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** The version that is thought to be served: with another one nothing is changed. Default: whichever. */
  readonly ifNumber?: number | undefined;
}

export interface RollbackConfigurationOptions extends ReconfigureOptions {
  /** Default: the version before the one that is served. */
  readonly to?: number | undefined;
}

/** What came of it. */
export interface Reconfigured {
  /** False for a dry run, and where there was no difference. */
  readonly applied: boolean;
  /** The number of what is served now. */
  readonly number: number;
  readonly digest: Digest;
  readonly differences: readonly ConfigurationDifference[];
}

export interface HistoryOptions extends CallOptions {
  /** Most versions. Default: 100. */
  readonly limit?: number | undefined;
}

/** What a server offers for its configuration. */
export interface Reconfigurable {
  /** What is served now. */
  readonly configuration: CurrentConfiguration;
  /**
   * Changes what is served, without a request dropped: validated whole first, with models loaded and asked their golden requests; models that leave are closed when
   * the requests that use them have ended. With `database` it outlives the process, and other servers on the database with the same opening configuration follow it. Throws
   * `SERVING_CONFIGURATION_INVALID` with all its `problems`, `SERVING_CONFIGURATION_BUSY` while a deployment of a changed endpoint is under way,
   * `SERVING_CONFIGURATION_CONFLICT`; what was served before then goes on.
   */
  reconfigure(configuration: ServerConfiguration, options?: ReconfigureOptions): Promise<Reconfigured>;
  /** Applies an earlier version again, as a new one. Throws what `reconfigure` throws, and `SERVING_CONFIGURATION_UNKNOWN`. */
  rollbackConfiguration(options?: RollbackConfigurationOptions): Promise<Reconfigured>;
  /** Versions that were applied, the newest first. */
  configurations(options?: HistoryOptions): Promise<readonly ConfigurationVersion[]>;
}
