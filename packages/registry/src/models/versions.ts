import type {
  ApprovalDecision,
  ArtifactStore,
  CallOptions,
  Clock,
  RegisterOptions,
  SetAliasOptions,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { checkAlias, checkLabel, checkModelName } from "../names.ts";
import { type Baselines, storeBaselines } from "./baselines.ts";
import type { GateKeeper } from "./gate-keeper.ts";
import type { BreakGlass } from "./gates.ts";
import type { PackageStore } from "./package-store.ts";
import type { SignatureStore } from "./signatures.ts";
import type { RegistryTables } from "../tables/tables.ts";
import {
  type RegisteredVersion,
  type VersionRecords,
  assertRegistered,
  createVersionRecords,
} from "./version-records.ts";
import { decideVersion, insertVersion, moveAlias } from "./version-writes.ts";

export interface RegisterVersionOptions extends RegisterOptions {
  /** What drift is measured against, where it is not what the package's own profile says; stays with the version for ever. Default: none. */
  readonly baselines?: Baselines | undefined;
  /** Default: none. */
  readonly description?: string | undefined;
  /** The version of another registry that it is a copy of; lineage names it. Default: none. */
  readonly origin?: VersionOrigin | undefined;
}

/** A version of another registry. */
export interface VersionOrigin {
  /** What the registry is called, such as `dev`. */
  readonly registry: string;
  /** Such as `late/3`. */
  readonly ref: string;
}

/** Versions of models in the database; the bytes are in the package store. */
export interface VersionStore extends VersionRecords {
  /** Throws `REGISTRY_NAME_INVALID`, `PORT_MODEL_CORRUPT`, `MODEL_CONTENT_UNSAFE`, and `MODEL_SIGNATURE_INVALID` for a signature beside it that is of another package. */
  register(name: string, directory: string, options?: RegisterVersionOptions): Promise<RegisteredVersion>;
  /**
   * Throws `REGISTRY_GATE_CLOSED` too: an approval goes through the gates of `approval`; `REGISTRY_CHANGED_MEANWHILE` where what they read has changed by
   * the time the approval is written.
   */
  approve(
    name: string,
    version: number,
    decision: ApprovalDecision & BreakGlass,
    options?: CallOptions,
  ): Promise<RegisteredVersion>;
  /**
   * An alias that means the version already stays as it is, and nothing is added to its history. Throws `REGISTRY_GATE_CLOSED` too: it goes through the gates of
   * the alias; `REGISTRY_CHANGED_MEANWHILE` where what they read has changed by the time the alias is moved.
   */
  setAlias(name: string, alias: string, version: number, options?: SetAliasOptions & BreakGlass): Promise<void>;
}

export interface VersionStoreOptions {
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly packages: PackageStore;
  readonly storeBeside: SignatureStore["storeBeside"];
  readonly clock: Clock;
  readonly gates: GateKeeper;
  readonly actors: Actors;
}

export function createVersionStore({
  database,
  artifacts,
  packages,
  storeBeside,
  clock,
  gates,
  actors,
}: VersionStoreOptions): VersionStore {
  const { read } = database;
  const records = createVersionRecords(read);
  return {
    ...records,
    async register(name, directory, options = {}) {
      const { signal, runId, tags = {}, baselines = {}, description, origin } = options;
      signal?.throwIfAborted();
      const by = actors.acting(options.by);
      checkModelName(name);
      if (origin !== undefined) checkLabel("a registry", origin.registry);
      const { digest, manifest } = await packages.store(directory, { signal });
      const signatures = await storeBeside(directory, digest, { signal });
      const stored = await storeBaselines(artifacts, baselines, { signal });
      const from = runId ?? manifest.provenance.runId;
      const told = { tags, by, description, origin };
      const registration = { name, digest, manifest, runId: from, ...told, baselines: stored, signatures };
      return database.write((scope) => insertVersion(scope, clock, registration), { signal });
    },
    async approve(name, version, { breakGlass, ...decision }, { signal } = {}) {
      signal?.throwIfAborted();
      await assertRegistered(read, name, version);
      const subject = { name, version, by: decision.by, breakGlass };
      const isApproval = decision.status === "approved";
      const passed = isApproval ? await gates.pass("approval", "approved", subject, { signal }) : undefined;
      const decided = { name, version, decision, gates: passed?.told };
      return database.write(
        async (scope) => {
          await assertRegistered(scope.sql, name, version);
          await passed?.assertUnchanged(scope.sql);
          return decideVersion(scope, clock, decided);
        },
        { signal },
      );
    },
    async setAlias(name, alias, version, { signal, ifVersion, by: given, breakGlass } = {}) {
      signal?.throwIfAborted();
      const by = actors.acting(given);
      checkAlias(alias);
      await assertRegistered(read, name, version);
      const meant = (await records.aliases(name, { signal }))[alias] ?? 0;
      const passed = await gates.pass("alias", alias, { name, version, by, breakGlass }, { signal });
      // What the gates compared with must still be there: a champion that changed meanwhile was not looked at.
      const expected = ifVersion ?? (passed === undefined ? undefined : meant);
      const move = { name, alias, version, ifVersion: expected, by, passage: passed };
      await database.write((scope) => moveAlias(scope, clock, move), { signal });
    },
  };
}
