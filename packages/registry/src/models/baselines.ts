import type { ArtifactStore, CallOptions, Digest, JsonObject } from "@millwright/contracts";
import { canonicalJson } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";

/** What drift is measured against, by kind, as SageMaker's `DriftCheckBaselines` has it. */
export type BaselineKind = "statistics" | "constraints" | "bias" | "explainability";

/** Kinds in the order they are told. */
export const baselineKinds: readonly BaselineKind[] = ["statistics", "constraints", "bias", "explainability"];

export type Baselines = Readonly<Partial<Record<BaselineKind, JsonObject>>>;

/** Baselines that travel with versions. */
export interface BaselineRecords {
  /** As they were registered with the version: whoever trains anew later changes nothing of them. Throws `PORT_ARTIFACT_CORRUPT`, `PORT_ARTIFACT_MISSING`. */
  baselines(name: string, version: number, options?: CallOptions): Promise<Baselines>;
}

export function createBaselineRecords({ read }: Database<RegistryTables>, artifacts: ArtifactStore): BaselineRecords {
  return {
    async baselines(name, version, { signal } = {}) {
      signal?.throwIfAborted();
      const rows = await read
        .selectFrom("registry_baselines")
        .select(["kind", "digest"])
        .where("model", "=", name)
        .where("version", "=", version)
        .execute();
      const found = await Promise.all(
        rows.map(async ({ kind, digest }) => [kind, await readJson(artifacts, digest as Digest, signal)] as const),
      );
      return Object.fromEntries(found);
    },
  };
}

/** Stores the bytes. @returns digests by kind. */
export async function storeBaselines(
  artifacts: ArtifactStore,
  baselines: Baselines,
  { signal }: CallOptions,
): Promise<ReadonlyMap<BaselineKind, Digest>> {
  const digests = new Map<BaselineKind, Digest>();
  for (const kind of baselineKinds) {
    const value = baselines[kind];
    if (value === undefined) continue;
    const { digest } = await artifacts.put(new TextEncoder().encode(canonicalJson(value)), { signal });
    digests.set(kind, digest);
  }
  return digests;
}

export async function insertBaselines(
  { sql }: WriteScope<RegistryTables>,
  name: string,
  version: number,
  baselines: ReadonlyMap<BaselineKind, Digest>,
): Promise<void> {
  for (const [kind, digest] of baselines)
    await sql.insertInto("registry_baselines").values({ model: name, version, kind, digest }).execute();
}

async function readJson(store: ArtifactStore, digest: Digest, signal: AbortSignal | undefined): Promise<JsonObject> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.open(digest, { signal })) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as JsonObject;
}
