import type { ApprovalDecision, CallOptions, Clock, RegisterOptions, SetAliasOptions } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { checkAlias, checkModelName } from "../names.ts";
import type { PackageStore } from "./package-store.ts";
import type { RegistryTables } from "../tables/tables.ts";
import {
  type RegisteredVersion,
  type VersionRecords,
  assertRegistered,
  createVersionRecords,
} from "./version-records.ts";
import { decideVersion, insertVersion, moveAlias } from "./version-writes.ts";

/** Versions of models in the database; the bytes are in the package store. */
export interface VersionStore extends VersionRecords {
  /** Throws `REGISTRY_NAME_INVALID`, `PORT_MODEL_CORRUPT`. */
  register(name: string, directory: string, options?: RegisterOptions): Promise<RegisteredVersion>;
  approve(name: string, version: number, decision: ApprovalDecision, options?: CallOptions): Promise<RegisteredVersion>;
  /** An alias that means the version already stays as it is, and nothing is added to its history. */
  setAlias(name: string, alias: string, version: number, options?: SetAliasOptions): Promise<void>;
}

export function createVersionStore(
  database: Database<RegistryTables>,
  packages: PackageStore,
  clock: Clock,
): VersionStore {
  const { read } = database;
  return {
    ...createVersionRecords(read),
    async register(name, directory, { signal, runId, tags = {}, by } = {}) {
      signal?.throwIfAborted();
      checkModelName(name);
      const { digest, manifest } = await packages.store(directory, { signal });
      const registration = { name, digest, manifest, runId: runId ?? manifest.provenance.runId, tags, by };
      return database.write((scope) => insertVersion(scope, clock, registration), { signal });
    },
    async approve(name, version, decision, { signal } = {}) {
      signal?.throwIfAborted();
      await assertRegistered(read, name, version);
      return database.write((scope) => decideVersion(scope, clock, { name, version, decision }), { signal });
    },
    async setAlias(name, alias, version, { signal, ifVersion, by } = {}) {
      signal?.throwIfAborted();
      checkAlias(alias);
      await assertRegistered(read, name, version);
      await database.write((scope) => moveAlias(scope, clock, { name, alias, version, ifVersion, by }), { signal });
    },
  };
}
