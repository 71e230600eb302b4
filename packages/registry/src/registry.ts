import {
  type ArtifactStore,
  type Authorizer,
  type CallOptions,
  type Clock,
  type IdSource,
  type Logger,
  type ModelRegistry,
  type ModelSource,
  type ResolvedModel,
  type RunTracker,
  createIdSource,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import type { TrustPolicy } from "@millwright/model";
import { type Database, openEventLog } from "@millwright/storage";
import { type ActorOptions, createActors } from "./actors.ts";
import { createGateKeeper } from "./models/gate-keeper.ts";
import type { GatePolicy } from "./models/gates.ts";
import { type VersionGovernance, createVersionGovernance } from "./models/governance.ts";
import type { StageDefinition } from "./models/stages.ts";
import { type RegistryLineage, createRegistryLineage } from "./lineage/lineage.ts";
import { keepPolicy } from "./models/known-gates.ts";
import { createPackageStore } from "./models/package-store.ts";
import { type VersionSignatures, createSignatureStore } from "./models/signatures.ts";
import { type OpenLineageRecords, createOpenLineageRecords } from "./openlineage/received-lineage.ts";
import { type AuditPacks, createAuditPacks } from "./records/audit-pack.ts";
import { type ModelCards, createModelCards } from "./records/model-cards.ts";
import { type BillsOfMaterials, createBillsOfMaterials } from "./records/bill-of-materials.ts";
import { type MaterialRecords, createMaterialRecords } from "./records/materials.ts";
import type { RunRecords } from "./tracking/run-records.ts";
import type { RunImport } from "./tracking/run-entries.ts";
import { createRunImport } from "./tracking/run-import.ts";
import { type ModelSearch, createModelSearch } from "./models/model-search.ts";
import { type TrackingRecords, createTrackingRecords } from "./tracking/tracking-records.ts";
import { type RunStore, createRunStore } from "./tracking/runs.ts";
import { type RegistryTables, migrations } from "./tables/tables.ts";
import { type VersionRecords, currentDigest } from "./models/version-records.ts";
import { type VersionStore, createVersionStore } from "./models/versions.ts";
import { watchRef } from "./delivery/watch.ts";

export interface RegistryOptions extends CallOptions, ActorOptions {
  readonly database: Database;
  /** Where the bytes of models and of runs' artifacts are kept. */
  readonly artifacts: ArtifactStore;
  /** Where models are put together to be loaded from; a cache on a local disk. */
  readonly directory: string;
  /** Conditions before aliases, stages and approvals; their names are kept, so that the command refuses to go past what it has not loaded. Default: none. */
  readonly gates?: GatePolicy | undefined;
  /** The stages that versions go through, in order. Default: SageMaker's template. */
  readonly stages?: readonly StageDefinition[] | undefined;
  /** Who may enter which stage. Default: everybody. */
  readonly authorizer?: Authorizer | undefined;
  /**
   * Whose signatures a version needs before it is resolved or watched: checked each time, against the bytes that are loaded. `directory` must then belong to this process's user alone.
   * Default: none.
   */
  readonly trust?: TrustPolicy | undefined;
  /** The longest from an approval into service that is not late, in milliseconds: for `registryLatency` and the alert of `sweepLateServices`. Default: 30 minutes. */
  readonly approvalToServiceMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
  readonly logger?: Logger | undefined;
  /** Longest that something logged to a run waits in memory. Default: 50. */
  readonly flushMs?: number | undefined;
  /** How often `watch` looks for a moved alias. Default: 250. */
  readonly pollMs?: number | undefined;
}

/**
 * Experiments and runs, models and versions, who approved them, which of them an alias means, and what was made from what.
 * Every change and its event are one transaction. Disposing writes what was logged; a run that was not ended stays `running`.
 */
export interface Registry
  extends
    RunTracker,
    RunRecords,
    RunImport,
    TrackingRecords,
    ModelRegistry,
    ModelSearch,
    ModelSource,
    VersionRecords,
    VersionGovernance,
    VersionSignatures,
    ModelCards,
    RegistryLineage,
    OpenLineageRecords,
    AuditPacks,
    MaterialRecords,
    BillsOfMaterials,
    AsyncDisposable {
  startRun: RunStore["startRun"];
  resumeRun: RunStore["resumeRun"];
  register: VersionStore["register"];
  approve: VersionStore["approve"];
  setAlias: VersionStore["setAlias"];
}

/** Opens the registry in a database; it is the caller's to close. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { gates, signal } = options;
  const registry = await assembleRegistry(options);
  if (gates !== undefined) await keepPolicy(options.database.typed<RegistryTables>(), gates, { signal });
  return registry;
}

/** The same, of whoever is a guest: which gates the registry has is not for them to say. */
export async function assembleRegistry(options: RegistryOptions): Promise<Registry> {
  const { artifacts, directory, clock = systemClock, logger = silentLogger, flushMs = 50, pollMs = 250 } = options;
  await options.database.migrate("registry", migrations, { signal: options.signal });
  const database = options.database.typed<RegistryTables>();
  const { trust } = options;
  const packages = createPackageStore(artifacts, directory, { isPrivate: trust !== undefined });
  const ids = options.ids ?? createIdSource(clock);
  const actors = createActors(options);
  const runs = createRunStore({ database, artifacts, clock, ids, logger, flushMs, actors });
  const gates = createGateKeeper(database, options.gates ?? {}, actors, () => registry);
  const { storeBeside, check, ...signatures } = createSignatureStore({ database, artifacts, clock, actors });
  const versions = createVersionStore({ database, artifacts, packages, storeBeside, clock, gates, actors });
  const resolve = async (ref: string, { signal }: CallOptions = {}): Promise<ResolvedModel> => {
    const { name, version, digest } = await versions.version(ref, { signal });
    const model = { ...(await packages.open(digest, { signal })), name, version };
    if (trust !== undefined) await check(trust, model, { signal });
    return model;
  };
  const governance = createVersionGovernance({ ...options, database, clock, ids, gates });
  const registry: Registry = {
    ...runs,
    ...createRunImport(database, clock, actors),
    ...createTrackingRecords({ database, artifacts, clock, actors }),
    ...createModelSearch(database),
    ...versions,
    ...governance,
    ...signatures,
    ...createModelCards(database, clock, () => registry),
    ...createMaterialRecords(database, clock, actors),
    ...createBillsOfMaterials(() => registry),
    ...createAuditPacks(openEventLog(options.database), () => registry),
    resolve,
    watch: (ref, { signal } = {}) =>
      watchRef({ ref, signal, resolve, digestOf: (each) => currentDigest(database.read, each), clock, pollMs, logger }),
    ...createOpenLineageRecords(database, clock),
    ...createRegistryLineage({ database, versions, deployments: governance, runs }),
  };
  return registry;
}
