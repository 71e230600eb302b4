import type { CallOptions, CapturedLabel } from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";
import { deploymentNewer } from "../errors.ts";
import { type CanaryEvidence, emptyEvidence, mergeEvidence } from "./evidence.ts";
import type { RequestOutcome } from "./recorder.ts";

/** Whose evidence it is: what a process counted during one deployment. */
export interface EvidenceKey {
  readonly endpoint: string;
  readonly deploymentId: string;
  readonly process: string;
}

/** What came to a process that did not give the answer it is of. */
export type EvidenceNote = { readonly label: CapturedLabel } | { readonly outcome: RequestOutcome };

/** Notes, and how far the list of them was read. */
export interface EvidenceNotes {
  readonly notes: readonly EvidenceNote[];
  readonly at: number;
}

/** Keeps what each process counted of a canary, so that a verdict rests on all of it and outlives each of them. */
export interface EvidenceStore {
  /** Replaces what this process saved before; evidence of earlier deployments to the endpoint goes. */
  save(key: EvidenceKey, evidence: CanaryEvidence): Promise<void>;
  /** Tells the other processes of labels and outcomes that are not of an answer of this one. */
  share(key: EvidenceKey, notes: readonly EvidenceNote[]): Promise<void>;
  /** What the others shared after a place of the list, the oldest first. */
  shared(key: EvidenceKey, after: number): Promise<EvidenceNotes>;
  /** What all processes together have counted. */
  load(endpoint: string, deploymentId: string, options?: CallOptions): Promise<CanaryEvidence>;
}

export function memoryEvidenceStore(): EvidenceStore {
  const kept = new Map<string, { readonly deploymentId: string; readonly evidence: CanaryEvidence }>();
  return {
    async save({ endpoint, deploymentId }, evidence) {
      kept.set(endpoint, { deploymentId, evidence });
    },
    // Nobody else could have given the answer.
    share: async () => {},
    shared: async () => ({ notes: [], at: 0 }),
    async load(endpoint, deploymentId) {
      const found = kept.get(endpoint);
      return found?.deploymentId === deploymentId ? found.evidence : emptyEvidence;
    },
  };
}

const table = "millwright_serving_evidence";
const notesTable = "millwright_serving_evidence_notes";

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
  {
    name: "002-notes",
    up: async (sql) => {
      await sql.schema
        .createTable(notesTable)
        .addColumn("endpoint", "text", (column) => column.notNull())
        .addColumn("deployment", "text", (column) => column.notNull())
        .addColumn("at", "integer", (column) => column.notNull())
        .addColumn("process", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("millwright_serving_evidence_notes_key", ["endpoint", "deployment", "at"])
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(notesTable).execute();
    },
  },
];

interface Tables {
  readonly millwright_serving_evidence: { endpoint: string; deployment: string; process: string; body: string };
  readonly millwright_serving_evidence_notes: {
    endpoint: string;
    deployment: string;
    at: number;
    process: string;
    body: string;
  };
}

export async function openDatabaseEvidenceStore(database: Database, options: CallOptions = {}): Promise<EvidenceStore> {
  await database.migrate("serving-evidence", migrations, options);
  const typed = database.typed<Tables>();
  return {
    save: ({ endpoint, deploymentId: deployment, process }, evidence) =>
      typed.write(async ({ sql }) => {
        const body = JSON.stringify(evidence);
        for (const old of [table, notesTable] as const)
          await sql.deleteFrom(old).where("endpoint", "=", endpoint).where("deployment", "!=", deployment).execute();
        await sql
          .insertInto(table)
          .values({ endpoint, deployment, process, body })
          .onConflict((conflict) => conflict.columns(["endpoint", "deployment", "process"]).doUpdateSet({ body }))
          .execute();
      }),
    share: ({ endpoint, deploymentId: deployment, process }, notes) =>
      typed.write(async ({ sql }) => {
        const last = await sql
          .selectFrom(notesTable)
          .select("at")
          .where("endpoint", "=", endpoint)
          .where("deployment", "=", deployment)
          .orderBy("at", "desc")
          .limit(1)
          .executeTakeFirst();
        const body = JSON.stringify(notes);
        await sql
          .insertInto(notesTable)
          .values({ endpoint, deployment, at: (last?.at ?? 0) + 1, process, body })
          .execute();
      }),
    async shared({ endpoint, deploymentId, process }, after) {
      const rows = await typed.read
        .selectFrom(notesTable)
        .select(["at", "process", "body"])
        .where("endpoint", "=", endpoint)
        .where("deployment", "=", deploymentId)
        .where("at", ">", after)
        .orderBy("at")
        .limit(100)
        .execute();
      const others = rows.filter((row) => row.process !== process);
      return {
        notes: others.flatMap(({ body }) => JSON.parse(body) as readonly EvidenceNote[]),
        at: rows.at(-1)?.at ?? after,
      };
    },
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
