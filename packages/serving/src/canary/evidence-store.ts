import type { CallOptions } from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";
import { deploymentNewer } from "../errors.ts";
import { type CanaryEvidence, emptyEvidence, mergeEvidence } from "./evidence.ts";

/** Whose evidence it is: what a process counted during one deployment. */
export interface EvidenceKey {
  readonly endpoint: string;
  readonly deploymentId: string;
  readonly process: string;
}

/** Keeps what each process counted of a canary, so that a verdict rests on all of it and outlives each of them. */
export interface EvidenceStore {
  /** Replaces what this process saved before; evidence of earlier deployments to the endpoint goes. */
  save(key: EvidenceKey, evidence: CanaryEvidence): Promise<void>;
  /** What all processes together have counted. */
  load(endpoint: string, deploymentId: string, options?: CallOptions): Promise<CanaryEvidence>;
}

export function memoryEvidenceStore(): EvidenceStore {
  const kept = new Map<string, { readonly deploymentId: string; readonly evidence: CanaryEvidence }>();
  return {
    async save({ endpoint, deploymentId }, evidence) {
      kept.set(endpoint, { deploymentId, evidence });
    },
    async load(endpoint, deploymentId) {
      const found = kept.get(endpoint);
      return found?.deploymentId === deploymentId ? found.evidence : emptyEvidence;
    },
  };
}

const table = "millwright_serving_evidence";

const migrations: readonly Migration[] = [
  {
    name: "001-evidence",
    up: async (sql) => {
      await sql.schema
        .createTable(table)
        .addColumn("endpoint", "text", (column) => column.notNull())
        .addColumn("deployment", "text", (column) => column.notNull())
        .addColumn("process", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("millwright_serving_evidence_key", ["endpoint", "deployment", "process"])
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(table).execute();
    },
  },
];

interface Tables {
  readonly millwright_serving_evidence: { endpoint: string; deployment: string; process: string; body: string };
}

export async function openDatabaseEvidenceStore(database: Database, options: CallOptions = {}): Promise<EvidenceStore> {
  await database.migrate("serving-evidence", migrations, options);
  const typed = database.typed<Tables>();
  return {
    save: ({ endpoint, deploymentId: deployment, process }, evidence) =>
      typed.write(async ({ sql }) => {
        const body = JSON.stringify(evidence);
        await sql.deleteFrom(table).where("endpoint", "=", endpoint).where("deployment", "!=", deployment).execute();
        await sql
          .insertInto(table)
          .values({ endpoint, deployment, process, body })
          .onConflict((conflict) => conflict.columns(["endpoint", "deployment", "process"]).doUpdateSet({ body }))
          .execute();
      }),
    async load(endpoint, deploymentId, { signal } = {}) {
      signal?.throwIfAborted();
      const rows = await typed.read
        .selectFrom(table)
        .select("body")
        .where("endpoint", "=", endpoint)
        .where("deployment", "=", deploymentId)
        .execute();
      return rows.map(({ body }) => parse(endpoint, body)).reduce(mergeEvidence, emptyEvidence);
    },
  };
}

/** Throws `SERVING_DEPLOYMENT_NEWER`. */
function parse(endpoint: string, body: string): CanaryEvidence {
  const evidence = JSON.parse(body) as CanaryEvidence;
  const version: number = evidence.formatVersion;
  if (version !== 1) throw deploymentNewer(endpoint, version);
  return evidence;
}
