import { type CallOptions, type Clock, type JsonValue, hasCode, versionConflict } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import { cardInvalid, cardRefused, cardUnknown } from "../errors.ts";
import { deepFreeze } from "../models/deep-freeze.ts";
import { assertRegistered } from "../models/version-records.ts";
import { checkLabel } from "../names.ts";
import type { Registry } from "../registry.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type CardChanges, type ModelCardContent, isTree, mergeContent, mergeEdits } from "./card-content.ts";
import { type VersionLedger, fillCard, missingOf } from "./card-filling.ts";
import { contentProblem } from "./card-schema.ts";

/** Where a card stands, as SageMaker has it. */
export type CardStatus = "Draft" | "PendingReview" | "Approved" | "Archived";

/** In the order of a card's life. */
export const cardStatuses: readonly CardStatus[] = ["Draft", "PendingReview", "Approved", "Archived"];

/** The model card of a version. */
export interface ModelCard {
  readonly name: string;
  readonly version: number;
  /** Counts the edits; 0: nobody has edited it. */
  readonly revision: number;
  readonly status: CardStatus;
  readonly content: ModelCardContent;
  /** Who made the revision; undefined of a card that nobody has touched. */
  readonly by?: string | undefined;
  /** When; UTC, milliseconds. */
  readonly editedMs?: number | undefined;
  /** Fields and evidence that are not there, such as `intended_uses.risk_rating`. */
  readonly missing: readonly string[];
}

export interface CardOptions extends CallOptions {
  /** Default: the newest. */
  readonly revision?: number | undefined;
}

export interface EditCardOptions extends CallOptions {
  readonly by: string;
  /** The revision that was read: `PORT_VERSION_CONFLICT` where the card is at another. Default: whatever it is at. */
  readonly ifRevision?: number | undefined;
}

/** Model cards that fill themselves from the ledger. */
export interface ModelCards {
  /**
   * A card that nobody has edited says what the ledger says now; an edited one what the ledger said at the edit, and over it what people wrote.
   * Throws `PORT_MODEL_UNKNOWN`, `REGISTRY_CARD_UNKNOWN` for a revision that is not there.
   */
  card(name: string, version: number, options?: CardOptions): Promise<ModelCard>;
  /** Every revision, the oldest first. */
  cardRevisions(name: string, version: number, options?: CallOptions): Promise<readonly ModelCard[]>;
  /**
   * Makes the next revision, and takes what the ledger says from now. A card that was approved or under review is a draft again. Throws `REGISTRY_CARD_INVALID` for
   * what SageMaker's schema does not have, `REGISTRY_CARD_REFUSED` for an archived card.
   */
  editCard(name: string, version: number, changes: CardChanges, options: EditCardOptions): Promise<ModelCard>;
  /** Makes no revision. Throws `REGISTRY_CARD_INVALID` for a status that is none, `REGISTRY_CARD_REFUSED` for an archived card. */
  setCardStatus(
    name: string,
    version: number,
    status: CardStatus,
    options: CallOptions & { readonly by: string },
  ): Promise<ModelCard>;
  /** What the card lacks: for `cardGate`. */
  missingEvidence(name: string, version: number, options?: CallOptions): Promise<readonly string[]>;
}

/** What a card is filled from. */
export type LedgerReader = Pick<Registry, "version" | "run" | "approvals" | "trafficAt">;

type CardRow = RegistryTables["registry_cards"];
type Read = Database<RegistryTables>["read"];

/** @param reader Asked only when a card is: it may be the registry that is being made. */
export function createModelCards(
  database: Database<RegistryTables>,
  clock: Clock,
  reader: () => LedgerReader,
): ModelCards {
  const { read } = database;
  const card: ModelCards["card"] = async (name, version, { revision, signal } = {}) => {
    signal?.throwIfAborted();
    const ledger = await readLedger(reader(), name, version, { signal });
    const row = (await selectRevisions(read, name, version)).findLast(
      (each) => revision === undefined || each.revision === revision,
    );
    if (row === undefined && revision !== undefined) throw cardUnknown(`${name}/${version}`, revision);
    return row === undefined ? untouched(ledger) : toCard(row, ledger);
  };
  return {
    card,
    async cardRevisions(name, version, { signal } = {}) {
      signal?.throwIfAborted();
      const ledger = await readLedger(reader(), name, version, { signal });
      return (await selectRevisions(read, name, version)).map((row) => toCard(row, ledger));
    },
    async editCard(name, version, changes, { by, ifRevision, signal }) {
      signal?.throwIfAborted();
      checkLabel("a person", by);
      if (!isTree(changes)) throw cardInvalid(`${name}/${version}`, "the changes are no object");
      const ledger = await readLedger(reader(), name, version, { signal });
      const edit = { ledger, changes, by, ifRevision, nowMs: clock.nowMs() };
      return toCard(await database.write((scope) => insertRevision(scope, edit), { signal }), ledger);
    },
    async setCardStatus(name, version, status, { by, signal }) {
      signal?.throwIfAborted();
      checkLabel("a person", by);
      if (!cardStatuses.includes(status))
        throw cardInvalid(`${name}/${version}`, `${JSON.stringify(status)} is none of ${cardStatuses.join(", ")}`);
      await assertRegistered(read, name, version);
      const ledger = await readLedger(reader(), name, version, { signal });
      const change = { ledger, status, by, nowMs: clock.nowMs() };
      return toCard(await database.write((scope) => changeStatus(scope, change), { signal }), ledger);
    },
    async missingEvidence(name, version, options) {
      return (await card(name, version, { signal: options?.signal })).missing;
    },
  };
}

/** Reads everything that is known of a version. */
export async function readLedger(
  registry: LedgerReader,
  name: string,
  version: number,
  { signal }: CallOptions,
): Promise<VersionLedger> {
  const described = await registry.version(`${name}/${version}`, { signal });
  const { runId } = described;
  const run = runId === undefined ? undefined : await registry.run(runId, { signal }).catch(orUnknown);
  const approvals = await registry.approvals(name, version, { signal });
  const serving = await registry.trafficAt(undefined, { name, signal });
  const traffic = serving.filter(({ shares }) =>
    shares.some((share) => share.name === name && share.version === version),
  );
  return { version: described, run, approvals, traffic };
}

/** A version may name a run of another registry. */
function orUnknown(error: unknown): undefined {
  if (hasCode(error, "REGISTRY_RUN_UNKNOWN")) return undefined;
  throw error;
}

const selectRevisions = (read: Read, name: string, version: number): Promise<CardRow[]> =>
  read
    .selectFrom("registry_cards")
    .selectAll()
    .where("model", "=", name)
    .where("version", "=", version)
    .orderBy("revision")
    .execute();

function untouched(ledger: VersionLedger): ModelCard {
  const { name, version } = ledger.version;
  const content = fillCard(ledger);
  return deepFreeze({ name, version, revision: 0, status: "Draft", content, missing: missingOf(content, ledger) });
}

function toCard(row: CardRow, ledger: VersionLedger): ModelCard {
  const content = JSON.parse(row.content) as ModelCardContent;
  return deepFreeze({
    name: row.model,
    version: row.version,
    revision: row.revision,
    status: row.status as CardStatus,
    content,
    by: row.edited_by,
    editedMs: row.time_ms,
    missing: missingOf(content, ledger),
  });
}

interface Edit {
  readonly ledger: VersionLedger;
  readonly changes: CardChanges;
  readonly by: string;
  readonly ifRevision: number | undefined;
  readonly nowMs: number;
}

async function insertRevision(
  scope: WriteScope<RegistryTables>,
  { ledger, changes, by, ifRevision, nowMs }: Edit,
): Promise<CardRow> {
  const { name, version } = ledger.version;
  const subject = `${name}/${version}`;
  const newest = (await selectRevisions(scope.sql, name, version)).at(-1);
  const revision = newest?.revision ?? 0;
  if (ifRevision !== undefined && ifRevision !== revision)
    throw versionConflict(`${subject} card`, ifRevision, revision);
  if (newest?.status === "Archived") throw cardRefused(subject, "is archived");
  const edits = mergeEdits(JSON.parse(newest?.edits ?? "{}") as Tree, changes as Tree);
  const content = mergeContent(fillCard(ledger) as Tree, edits);
  const problem = contentProblem(content);
  if (problem !== undefined) throw cardInvalid(subject, problem);
  const row: CardRow = {
    model: name,
    version,
    revision: revision + 1,
    status: "Draft",
    edits: JSON.stringify(edits),
    content: JSON.stringify(content),
    edited_by: by,
    time_ms: nowMs,
  };
  await scope.sql.insertInto("registry_cards").values(row).execute();
  const sections = Object.keys(changes);
  await tellChange(scope, subject, { name, version, revision: row.revision, status: "Draft", by, sections });
  return row;
}

type Tree = Readonly<Record<string, JsonValue | undefined>>;

interface StatusChange {
  readonly ledger: VersionLedger;
  readonly status: CardStatus;
  readonly by: string;
  readonly nowMs: number;
}

async function changeStatus(
  scope: WriteScope<RegistryTables>,
  { ledger, status, by, nowMs }: StatusChange,
): Promise<CardRow> {
  const { name, version } = ledger.version;
  const subject = `${name}/${version}`;
  const newest = (await selectRevisions(scope.sql, name, version)).at(-1);
  if (newest?.status === status) return newest;
  if (newest?.status === "Archived") throw cardRefused(subject, "is archived");
  const row: CardRow = newest ?? {
    model: name,
    version,
    revision: 0,
    status: "Draft",
    edits: "{}",
    content: JSON.stringify(fillCard(ledger)),
    edited_by: by,
    time_ms: nowMs,
  };
  if (newest === undefined)
    await scope.sql
      .insertInto("registry_cards")
      .values({ ...row, status })
      .execute();
  else
    await scope.sql
      .updateTable("registry_cards")
      .set({ status })
      .where("model", "=", name)
      .where("version", "=", version)
      .where("revision", "=", row.revision)
      .execute();
  const { revision, status: previous } = row;
  await tellChange(scope, subject, { name, version, revision, status, previous, by });
  return { ...row, status };
}

async function tellChange(
  scope: WriteScope<RegistryTables>,
  subject: string,
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  await emitAbout(scope, subject, {
    type: "model.card-changed",
    causationid: await newestEvent(scope, subject),
    data,
  });
}
