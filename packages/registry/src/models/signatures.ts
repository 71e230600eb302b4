import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type Digest,
  type ResolvedModel,
  canonicalJson,
} from "@millwright/contracts";
import {
  type SignatureEnvelope,
  type TrustPolicy,
  checkEnvelope,
  parseEnvelope,
  readSignatures,
} from "@millwright/model";
import type { Database, WriteScope } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { emitAbout, newestEvent } from "../causes.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { assertRegistered } from "./version-records.ts";

type Scope = WriteScope<RegistryTables>;

/** A signature of a version's package. */
export interface VersionSignature {
  readonly envelope: SignatureEnvelope;
  /** Digest of the artifact that holds the envelope. */
  readonly digest: Digest;
  /** Ids of the keys, as the envelope says. */
  readonly keyIds: readonly string[];
  readonly addedBy?: string | undefined;
  /** UTC, milliseconds. */
  readonly addedTimeMs: number;
}

export interface AddSignatureOptions extends CallOptions {
  /** Who adds it. Default: the registry's `actor`. */
  readonly by?: string | undefined;
}

/** Signatures of versions: those that came with a package, and those that were added since. */
export interface VersionSignatures {
  /** In the order they came. Throws `PORT_MODEL_UNKNOWN`. */
  signatures(name: string, version: number, options?: CallOptions): Promise<readonly VersionSignature[]>;
  /**
   * Keeps an envelope of `createSignature`, or of any in-toto tool, with the version's package; one that is there already stays as it is. Whether it counts is for `trust` to say, at each `resolve`.
   * Throws `PORT_MODEL_UNKNOWN`, and `MODEL_SIGNATURE_INVALID` for what is no statement about this package.
   */
  addSignature(
    name: string,
    version: number,
    envelope: SignatureEnvelope,
    options?: AddSignatureOptions,
  ): Promise<VersionSignature>;
}

/** An envelope that was stored, and is about to be told of. */
export interface StoredEnvelope {
  readonly envelope: SignatureEnvelope;
  readonly digest: Digest;
}

export interface SignatureStore extends VersionSignatures {
  /** Throws what the policy throws. */
  check(trust: TrustPolicy, model: ResolvedModel, options?: CallOptions): Promise<void>;
  /** Stores the envelopes that lie beside a package's manifest. */
  storeBeside(directory: string, digest: Digest, options?: CallOptions): Promise<readonly StoredEnvelope[]>;
}

export interface SignatureStoreOptions {
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly actors: Actors;
}

export function createSignatureStore({ database, artifacts, clock, actors }: SignatureStoreOptions): SignatureStore {
  const { read } = database;
  const store = async (value: SignatureEnvelope, digest: Digest, options: CallOptions): Promise<StoredEnvelope> => {
    const envelope = parseEnvelope(value);
    checkEnvelope(envelope, digest);
    const stored = await artifacts.put(new TextEncoder().encode(canonicalJson(envelope)), options);
    return { envelope, digest: stored.digest };
  };
  const signaturesOf = async (digest: string, options: CallOptions): Promise<readonly VersionSignature[]> => {
    const rows = await read
      .selectFrom("registry_signatures")
      .selectAll()
      .where("digest", "=", digest)
      .orderBy("position")
      .execute();
    return Promise.all(rows.map((row) => readRow(artifacts, row, options)));
  };
  return {
    async signatures(name, version, { signal } = {}) {
      signal?.throwIfAborted();
      return signaturesOf(await digestOfVersion(read, name, version), { signal });
    },
    async addSignature(name, version, envelope, { signal, by: given } = {}) {
      signal?.throwIfAborted();
      const by = actors.acting(given);
      const digest = await digestOfVersion(read, name, version);
      const stored = await store(envelope, digest, { signal });
      const row = await database.write((scope) => signVersion(scope, clock, { name, version, digest, stored, by }), {
        signal,
      });
      return toSignature(row, stored.envelope);
    },
    async check(trust, model, { signal } = {}) {
      const signatures = await signaturesOf(model.digest, { signal });
      trust.check(
        model,
        signatures.map(({ envelope }) => envelope),
      );
    },
    async storeBeside(directory, digest, options = {}) {
      const stored: StoredEnvelope[] = [];
      for (const envelope of await readSignatures(directory, options))
        stored.push(await store(envelope, digest, options));
      return stored;
    },
  };
}

async function digestOfVersion(read: Database<RegistryTables>["read"], name: string, version: number): Promise<Digest> {
  await assertRegistered(read, name, version);
  const row = await read
    .selectFrom("registry_versions")
    .select("digest")
    .where("model", "=", name)
    .where("version", "=", version)
    .executeTakeFirstOrThrow();
  return row.digest as Digest;
}

type SignatureRow = RegistryTables["registry_signatures"];

/** Keeps what is not there yet. @returns the ids of the keys of those that are new. */
export async function insertSignatures(
  { sql }: Scope,
  clock: Clock,
  digest: Digest,
  stored: readonly StoredEnvelope[],
  by: string | undefined,
): Promise<readonly string[]> {
  const present = await sql.selectFrom("registry_signatures").selectAll().where("digest", "=", digest).execute();
  const known = new Set(present.map(({ envelope }) => envelope));
  let position = Math.max(0, ...present.map((row) => row.position));
  const keyIds: string[] = [];
  for (const { envelope, digest: artifact } of stored) {
    if (known.has(artifact)) continue;
    known.add(artifact);
    position += 1;
    const row: SignatureRow = { digest, envelope: artifact, position, added_by: by ?? null, added_ms: clock.nowMs() };
    await sql.insertInto("registry_signatures").values(row).execute();
    keyIds.push(...keyIdsOf(envelope));
  }
  return keyIds;
}

export interface Signing {
  readonly name: string;
  readonly version: number;
  readonly digest: Digest;
  readonly stored: StoredEnvelope;
  readonly by: string | undefined;
}

export async function signVersion(scope: Scope, clock: Clock, signing: Signing): Promise<SignatureRow> {
  const { name, version, digest, stored, by } = signing;
  const { sql } = scope;
  const row = () =>
    sql
      .selectFrom("registry_signatures")
      .selectAll()
      .where("digest", "=", digest)
      .where("envelope", "=", stored.digest)
      .executeTakeFirst();
  const present = await row();
  if (present !== undefined) return present;
  const keyIds = await insertSignatures(scope, clock, digest, [stored], by);
  const subject = `${name}/${version}`;
  await emitAbout(scope, subject, {
    type: "model.signed",
    causationid: await newestEvent(scope, subject),
    data: { name, version, digest, signature: stored.digest, keyIds, ...(by === undefined ? {} : { by }) },
  });
  return (await row()) as SignatureRow;
}

const keyIdsOf = ({ signatures }: SignatureEnvelope): string[] =>
  signatures.flatMap(({ keyid }) => (keyid === undefined ? [] : [keyid]));

async function readRow(artifacts: ArtifactStore, row: SignatureRow, options: CallOptions): Promise<VersionSignature> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of artifacts.open(row.envelope as Digest, options)) chunks.push(chunk);
  return toSignature(row, parseEnvelope(Buffer.concat(chunks).toString("utf8")));
}

const toSignature = (row: SignatureRow, envelope: SignatureEnvelope): VersionSignature => ({
  envelope,
  digest: row.envelope as Digest,
  keyIds: keyIdsOf(envelope),
  addedBy: row.added_by ?? undefined,
  addedTimeMs: row.added_ms,
});
