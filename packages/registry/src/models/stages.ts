import { type Authorizer, type CallOptions, type Clock, type JsonObject, allowAll } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import { changedMeanwhile, stageInvalid, stageRefused, stageUnknown } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { GateKeeper } from "./gate-keeper.ts";
import type { BreakGlass } from "./gates.ts";
import { assertRegistered } from "./version-records.ts";

/** A stage that versions go through; names as SageMaker's `ModelLifeCycle` has them. */
export interface StageDefinition {
  /** 1 to 63 letters, digits and dashes, beginning and ending with a letter or digit. */
  readonly name: string;
  /** What a version in the stage can be. Default: `PendingApproval`, `InProgress`, `OnHold`, `Approved`, `Rejected`, `Retired`. */
  readonly statuses?: readonly string[] | undefined;
}

const sageMakerStatuses = ["PendingApproval", "InProgress", "OnHold", "Approved", "Rejected", "Retired"] as const;

/** SageMaker's template of a staging construct. @see https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-staging-construct-set-up.html */
export const sageMakerStages: readonly StageDefinition[] = [
  "Proposal",
  "Development",
  "QA",
  "PreProduction",
  "Production",
  "Archived",
].map((name) => ({ name }));

export interface StageMove extends BreakGlass {
  readonly stage: string;
  readonly status: string;
  /** At most 1,024 characters. */
  readonly description?: string | undefined;
  /** Who moves it: a person's or a service's name. */
  readonly by: string;
}

/** Where a version stands, or stood. */
export interface StageRecord {
  readonly stage: string;
  readonly status: string;
  readonly description?: string | undefined;
  readonly by: string;
  /** UTC, milliseconds. */
  readonly timeMs: number;
}

/** Stages of versions. */
export interface VersionStages {
  /**
   * Moves a version to a stage, or gives it another status in its own. The authorizer is asked for `model:enter-stage/<stage>`, and, where the stage
   * is not the next one, for `model:jump-stage/<stage>` too; the gates of the stage must be open. Throws `REGISTRY_STAGE_UNKNOWN`, `REGISTRY_STAGE_INVALID`,
   * `REGISTRY_STAGE_REFUSED`, `REGISTRY_GATE_CLOSED`, `PORT_MODEL_UNKNOWN`; `REGISTRY_CHANGED_MEANWHILE` where the version was moved, or what the gates
   * read has changed, by the time the move is written.
   */
  moveStage(name: string, version: number, move: StageMove, options?: CallOptions): Promise<StageRecord>;
  /** In the order they were made; the last is where the version stands. */
  stageHistory(name: string, version: number, options?: CallOptions): Promise<readonly StageRecord[]>;
  /** In their order. */
  readonly stages: readonly StageDefinition[];
}

export interface StageOptions {
  readonly database: Database<RegistryTables>;
  readonly clock: Clock;
  readonly stages: readonly StageDefinition[];
  readonly authorizer?: Authorizer | undefined;
  readonly gates: GateKeeper;
}

const word = /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/;
const longestDescription = 1024;

export function createVersionStages(options: StageOptions): VersionStages {
  const { database, clock, stages, authorizer = allowAll, gates } = options;
  checkStages(stages);
  return {
    stages,
    async moveStage(name, version, move, { signal } = {}) {
      signal?.throwIfAborted();
      const target = checkMove(stages, move);
      await assertRegistered(database.read, name, version);
      const current = await standingOf(database.read, name, version);
      await checkPermission(authorizer, { name, version, move, from: current?.stage, stages, target, signal });
      const pass =
        current?.stage === move.stage
          ? undefined
          : await gates.pass("stage", move.stage, { name, version, ...move }, { signal });
      return database.write(
        async (scope) => {
          await assertRegistered(scope.sql, name, version);
          await pass?.assertUnchanged(scope.sql);
          return insertMove(scope, { name, version, move, from: current, timeMs: clock.nowMs(), gates: pass?.told });
        },
        { signal },
      );
    },
    async stageHistory(name, version, { signal } = {}) {
      signal?.throwIfAborted();
      return historyOf(database, name, version);
    },
  };
}

function checkStages(stages: readonly StageDefinition[]): void {
  const names = stages.map(({ name }) => name);
  for (const each of [...names, ...stages.flatMap(({ statuses = [] }) => statuses)]) {
    if (typeof each !== "string" || !word.test(each))
      throw stageInvalid(`"${String(each)}" cannot name a stage or a status`);
  }
  if (new Set(names).size !== names.length) throw stageInvalid("two stages have the same name");
}

/** @returns the place of the stage. */
function checkMove(stages: readonly StageDefinition[], { stage, status, description = "" }: StageMove): number {
  const place = stages.findIndex(({ name }) => name === stage);
  if (place < 0)
    throw stageUnknown(
      "stage",
      stage,
      stages.map(({ name }) => name),
    );
  const statuses = stages[place]?.statuses ?? sageMakerStatuses;
  if (!statuses.includes(status)) throw stageUnknown("status", status, statuses);
  if (description.length > longestDescription)
    throw stageInvalid(`its description has ${description.length} characters of at most ${longestDescription}`);
  return place;
}

interface Permission {
  readonly name: string;
  readonly version: number;
  readonly move: StageMove;
  readonly from: string | undefined;
  readonly stages: readonly StageDefinition[];
  readonly target: number;
  readonly signal: AbortSignal | undefined;
}

async function checkPermission(
  authorizer: Authorizer,
  { name, version, move, from, stages, target, signal }: Permission,
): Promise<void> {
  const place = from === undefined ? -1 : stages.findIndex((stage) => stage.name === from);
  const actions = [`model:enter-stage/${move.stage}`];
  // Back, or over one that lies between.
  if (target !== place && target !== place + 1) actions.push(`model:jump-stage/${move.stage}`);
  for (const action of actions) {
    const resource = `model/${name}/${version}`;
    const decision = await authorizer.decide({ principal: move.by, action, resource }, { signal });
    if (!decision.allowed) throw stageRefused(`${name}/${version}`, from ?? "no stage", move.stage, decision.reason);
  }
}

async function historyOf(
  { read }: Database<RegistryTables>,
  name: string,
  version: number,
): Promise<readonly StageRecord[]> {
  const rows = await read
    .selectFrom("registry_stages")
    .selectAll()
    .where("model", "=", name)
    .where("version", "=", version)
    .orderBy("move")
    .execute();
  return rows.map(({ stage, status, description, moved_by, time_ms }) => ({
    stage,
    status,
    description: description ?? undefined,
    by: moved_by,
    timeMs: time_ms,
  }));
}

type StageStanding = Pick<RegistryTables["registry_stages"], "move" | "stage" | "status">;

/** The newest move. */
const standingOf = (
  read: Database<RegistryTables>["read"],
  name: string,
  version: number,
): Promise<StageStanding | undefined> =>
  read
    .selectFrom("registry_stages")
    .select(["move", "stage", "status"])
    .where("model", "=", name)
    .where("version", "=", version)
    .orderBy("move", "desc")
    .limit(1)
    .executeTakeFirst();

interface InsertedMove {
  readonly name: string;
  readonly version: number;
  readonly move: StageMove;
  readonly from: StageStanding | undefined;
  readonly timeMs: number;
  readonly gates: JsonObject | undefined;
}

async function insertMove(
  scope: WriteScope<RegistryTables>,
  { name, version, move, from, timeMs, gates }: InsertedMove,
): Promise<StageRecord> {
  const { sql } = scope;
  const { stage, status, description, by } = move;
  const newest = await standingOf(sql, name, version);
  // Somebody else moved it since it was looked at, and its permission was asked for another move.
  if ((newest?.move ?? 0) !== (from?.move ?? 0)) throw changedMeanwhile(`${name}/${version}`);
  await sql
    .insertInto("registry_stages")
    .values({
      model: name,
      version,
      move: (newest?.move ?? 0) + 1,
      stage,
      status,
      description: description ?? null,
      moved_by: by,
      time_ms: timeMs,
    })
    .execute();
  const subject = `${name}/${version}`;
  await emitAbout(scope, subject, {
    type: "model.stage-moved",
    causationid: await newestEvent(scope, subject),
    data: {
      name,
      version,
      stage,
      status,
      by,
      ...(from === undefined ? {} : { previous: { stage: from.stage, status: from.status } }),
      ...(description === undefined ? {} : { description }),
      ...(gates === undefined ? {} : { gates }),
    },
  });
  return { stage, status, description, by, timeMs };
}
