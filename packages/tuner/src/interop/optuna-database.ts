import type { CallOptions, JsonValue } from "@millwright/contracts";
import { importInvalid } from "../errors.ts";
import type { StudyRecord } from "../insight/record.ts";
import type { Trial } from "../trial.ts";
import type { ConversionLoss, ImportedStudy } from "./losses.ts";
import { type OptunaDistribution, toOptuna } from "./optuna-distributions.ts";
import { parsePythonJson, printPythonJson } from "./optuna-json.ts";
import { optunaState } from "./optuna-journal.ts";
import { type OptunaTrial, importedStudy } from "./optuna-study.ts";

/** Asks a database: `(sql) => database.prepare(sql).all()` of a SQLite binding, `async (sql) => (await pool.query(sql)).rows` of pg. */
export type SqlQuery = (sql: string) => readonly object[] | Promise<readonly object[]>;

type Row = Readonly<Record<string, string | number | null>>;

/** The schema of Optuna 3.2 to 5: what is written, and what a database must have to be written into. */
const revision = "v3.2.0.a";
const schemaVersion = 12;

const stateNumbers: Readonly<Record<string, number>> = { RUNNING: 0, COMPLETE: 1, PRUNED: 2, FAIL: 3, WAITING: 4 };

/** The studies in a database of Optuna. Throws `TUNER_IMPORT_INVALID` where it is none. */
export async function readOptunaDatabase(
  query: SqlQuery,
  { signal }: CallOptions = {},
): Promise<readonly ImportedStudy[]> {
  const rows = async (sql: string): Promise<readonly Row[]> => {
    signal?.throwIfAborted();
    return (await query(sql)) as readonly Row[];
  };
  let studies: readonly Row[];
  try {
    studies = await rows("SELECT study_id, study_name FROM studies ORDER BY study_id");
  } catch (cause) {
    signal?.throwIfAborted();
    throw importInvalid("studies", "there is no such table: it is no database of Optuna", cause);
  }
  const directions = await rows("SELECT study_id, direction FROM study_directions ORDER BY study_id, objective");
  const trials = await readTrials(rows);
  return studies.map((study) => {
    const id = study["study_id"] as number;
    const own = directions.filter((row) => row["study_id"] === id);
    return importedStudy(
      String(study["study_name"]),
      own.map((row) => (row["direction"] === "MAXIMIZE" ? "maximize" : "minimize")),
      trials.filter((trial) => trial.study === id),
    );
  });
}

async function readTrials(
  rows: (sql: string) => Promise<readonly Row[]>,
): Promise<readonly (OptunaTrial & { readonly study: number })[]> {
  const byTrial = async (sql: string): Promise<ReadonlyMap<number, readonly Row[]>> => {
    const groups = new Map<number, Row[]>();
    for (const row of await rows(sql)) {
      const id = row["trial_id"] as number;
      const group = groups.get(id);
      if (group === undefined) groups.set(id, [row]);
      else group.push(row);
    }
    return groups;
  };
  const params = await byTrial(
    "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params ORDER BY param_id",
  );
  const values = await byTrial("SELECT trial_id, value, value_type FROM trial_values ORDER BY trial_id, objective");
  const reports = await byTrial(
    "SELECT trial_id, step, intermediate_value, intermediate_value_type FROM trial_intermediate_values ORDER BY trial_id, step",
  );
  const user = await byTrial("SELECT trial_id, key, value_json FROM trial_user_attributes");
  const system = await byTrial("SELECT trial_id, key, value_json FROM trial_system_attributes");
  const trials = await rows(
    "SELECT trial_id, study_id, state, datetime_start, datetime_complete FROM trials ORDER BY study_id, number",
  );
  return trials.map((row) => {
    const id = row["trial_id"] as number;
    const own = values.get(id);
    return {
      study: row["study_id"] as number,
      state: stateNumbers[String(row["state"])] ?? -1,
      values: own?.map((each) => numberOf(each["value"], each["value_type"])),
      params: Object.fromEntries((params.get(id) ?? []).map(paramOf)),
      intermediates: (reports.get(id) ?? []).map(
        (each) =>
          [each["step"] as number, numberOf(each["intermediate_value"], each["intermediate_value_type"])] as const,
      ),
      userAttributes: attributesOf(user.get(id)),
      systemAttributes: attributesOf(system.get(id)),
      startedMs: timeOf(row["datetime_start"]),
      endedMs: timeOf(row["datetime_complete"]),
    };
  });
}

const paramOf = (row: Row): readonly [string, OptunaTrial["params"][string]] => [
  String(row["param_name"]),
  {
    internal: Number(row["param_value"]),
    distribution: parsePythonJson(String(row["distribution_json"])) as unknown as OptunaDistribution,
  },
];

const attributesOf = (rows: readonly Row[] = []): Readonly<Record<string, JsonValue>> =>
  Object.fromEntries(rows.map((row) => [String(row["key"]), parsePythonJson(String(row["value_json"]))]));

function numberOf(value: Row[string] | undefined, type: Row[string] | undefined): number {
  if (type === "INF_POS") return Infinity;
  if (type === "INF_NEG") return -Infinity;
  return type === "NAN" ? Number.NaN : Number(value);
}

/** Optuna writes times of the local clock, without saying so. */
function timeOf(value: Row[string] | undefined): number | undefined {
  const at = typeof value === "string" ? Date.parse(value.replace(" ", "T")) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}

/**
 * Statements that make a new SQLite database of Optuna with one study: run them in order, in one transaction, in an empty file. PostgreSQL and MySQL:
 * let Optuna make its tables, and load the study through a journal file.
 */
export function writeOptunaDatabase(record: StudyRecord & { readonly name: string }): {
  readonly statements: readonly string[];
  readonly losses: readonly ConversionLoss[];
} {
  const converted = Object.fromEntries(
    Object.entries(record.space).map(([name, parameter]) => [name, toOptuna(name, parameter)]),
  );
  const statements = [
    ...schema,
    `INSERT INTO version_info VALUES (1, ${schemaVersion}, '5.0.0')`,
    `INSERT INTO alembic_version VALUES ('${revision}')`,
  ];
  statements.push(`INSERT INTO studies (study_id, study_name) VALUES (1, ${quoted(record.name)})`);
  for (const [objective, direction] of record.directions.entries())
    statements.push(
      `INSERT INTO study_directions (direction, study_id, objective) VALUES ('${direction === "maximize" ? "MAXIMIZE" : "MINIMIZE"}', 1, ${objective})`,
    );
  for (const trial of record.trials) statements.push(...trialStatements(trial, converted));
  return { statements, losses: Object.values(converted).flatMap(({ losses }) => losses) };
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const stateNames = ["RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"];

function trialStatements(
  trial: Trial,
  space: Readonly<Record<string, ReturnType<typeof toOptuna>>>,
): readonly string[] {
  const id = trial.number + 1;
  const state = optunaState[trial.state];
  const waits = state === 4;
  const start = waits ? "NULL" : localTime(trial.startedMs);
  const end = waits ? "NULL" : localTime(trial.endedMs ?? trial.startedMs);
  const insert = (table: string, columns: string, ...values: readonly (string | number)[]): string =>
    `INSERT INTO ${table} (trial_id, ${columns}) VALUES (${id}, ${values.join(", ")})`;
  const statements = [
    `INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete) VALUES (${id}, ${trial.number}, 1, '${stateNames[state]}', ${start}, ${end})`,
  ];
  for (const [name, value] of waits ? [] : Object.entries(trial.params)) {
    const own = space[name];
    if (own === undefined) throw importInvalid(name, "the space has no such parameter");
    statements.push(
      insert(
        "trial_params",
        "param_name, param_value, distribution_json",
        quoted(name),
        own.toInternal(value),
        quoted(JSON.stringify(own.distribution)),
      ),
    );
  }
  for (const [objective, value] of (trial.values ?? []).entries())
    statements.push(insert("trial_values", "objective, value, value_type", objective, ...typed(value)));
  for (const [step, value] of trial.intermediates)
    statements.push(
      insert("trial_intermediate_values", "step, intermediate_value, intermediate_value_type", step, ...typed(value)),
    );
  for (const [key, value] of Object.entries(trial.attributes ?? {}))
    statements.push(insert("trial_user_attributes", "key, value_json", quoted(key), quoted(printPythonJson(value))));
  if (waits)
    statements.push(
      insert("trial_system_attributes", "key, value_json", "'fixed_params'", quoted(JSON.stringify(trial.params))),
    );
  if (trial.constraintValues !== undefined)
    statements.push(
      insert(
        "trial_system_attributes",
        "key, value_json",
        "'constraints'",
        quoted(JSON.stringify(trial.constraintValues)),
      ),
    );
  return statements;
}

const typed = (value: number): readonly [string | number, string] => {
  if (Number.isNaN(value)) return ["NULL", "'NAN'"];
  if (Number.isFinite(value)) return [value, "'FINITE'"];
  return ["NULL", value > 0 ? "'INF_POS'" : "'INF_NEG'"];
};

function localTime(ms = 0): string {
  const at = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `'${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}000'`;
}

const attributeTable = (table: string, owner: string): string =>
  `CREATE TABLE ${owner}_${table}_attributes (${owner}_${table}_attribute_id INTEGER PRIMARY KEY NOT NULL, ${owner}_id INTEGER REFERENCES ${owner === "study" ? "studies" : "trials"} (${owner}_id), key VARCHAR(512), value_json TEXT, UNIQUE (${owner}_id, key))`;
const trialId = "trial_id INTEGER REFERENCES trials (trial_id)";

const schema: readonly string[] = [
  "CREATE TABLE version_info (version_info_id INTEGER PRIMARY KEY NOT NULL CHECK (version_info_id = 1), schema_version INTEGER, library_version VARCHAR(256))",
  "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY NOT NULL)",
  "CREATE TABLE studies (study_id INTEGER PRIMARY KEY NOT NULL, study_name VARCHAR(512) NOT NULL)",
  "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)",
  "CREATE TABLE study_directions (study_direction_id INTEGER PRIMARY KEY NOT NULL, direction VARCHAR(8) NOT NULL, study_id INTEGER NOT NULL REFERENCES studies (study_id), objective INTEGER NOT NULL, UNIQUE (study_id, objective))",
  attributeTable("user", "study"),
  attributeTable("system", "study"),
  "CREATE TABLE trials (trial_id INTEGER PRIMARY KEY NOT NULL, number INTEGER, study_id INTEGER REFERENCES studies (study_id), state VARCHAR(8) NOT NULL, datetime_start DATETIME, datetime_complete DATETIME)",
  "CREATE INDEX ix_trials_study_id ON trials (study_id)",
  attributeTable("user", "trial"),
  attributeTable("system", "trial"),
  `CREATE TABLE trial_params (param_id INTEGER PRIMARY KEY NOT NULL, ${trialId}, param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT, UNIQUE (trial_id, param_name))`,
  `CREATE TABLE trial_values (trial_value_id INTEGER PRIMARY KEY NOT NULL, ${trialId}, objective INTEGER NOT NULL, value FLOAT, value_type VARCHAR(7) NOT NULL, UNIQUE (trial_id, objective))`,
  `CREATE TABLE trial_intermediate_values (trial_intermediate_value_id INTEGER PRIMARY KEY NOT NULL, ${trialId}, step INTEGER NOT NULL, intermediate_value FLOAT, intermediate_value_type VARCHAR(7) NOT NULL, UNIQUE (trial_id, step))`,
  `CREATE TABLE trial_heartbeats (trial_heartbeat_id INTEGER PRIMARY KEY NOT NULL, ${trialId} UNIQUE, heartbeat DATETIME NOT NULL)`,
];
