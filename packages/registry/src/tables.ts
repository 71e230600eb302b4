import type { Migration } from "@millwright/storage";

/** Who says what the registry's events say. */
export const eventSource = "millwright/registry";

/** The registry's tables. Times are UTC milliseconds. */
export interface RegistryTables {
  readonly registry_runs: {
    readonly id: string;
    readonly experiment: string;
    readonly name: string;
    readonly parent: string | null;
    readonly status: string;
    readonly started_ms: number;
    readonly ended_ms: number | null;
    /** Tags as a JSON object. */
    readonly tags: string;
    /** What it is made from: entity references as a JSON array. */
    readonly inputs: string;
  };
  readonly registry_params: { readonly run: string; readonly name: string; /** JSON. */ readonly value: string };
  /** The metrics of runs; SQLite numbers them. */
  readonly registry_series: { readonly id: number; readonly run: string; readonly name: string };
  readonly registry_points: {
    readonly series: number;
    readonly step: number;
    /** Counts what was logged to the run. */
    readonly sequence: number;
    readonly time_ms: number;
    /** Null where `exact` says what SQLite's numbers cannot. */
    readonly value: number | null;
    /** `NaN` or `-0`. */
    readonly exact: string | null;
  };
  readonly registry_artifacts: {
    readonly run: string;
    readonly path: string;
    readonly digest: string;
    readonly size_bytes: number;
  };
  readonly registry_versions: {
    readonly model: string;
    readonly version: number;
    readonly digest: string;
    readonly approval: string;
    readonly run: string | null;
    readonly created_ms: number;
    readonly tags: string;
    /** The package's manifest as JSON. */
    readonly manifest: string;
  };
  readonly registry_approvals: {
    readonly model: string;
    readonly version: number;
    /** Counts the decisions on this version. */
    readonly decision: number;
    readonly status: string;
    readonly decided_by: string;
    readonly comment: string | null;
    readonly time_ms: number;
  };
  /** One row per move; the newest is what the alias means. */
  readonly registry_aliases: {
    readonly model: string;
    readonly alias: string;
    readonly version: number;
    readonly time_ms: number;
    readonly move: number;
  };
  /** The newest event about a run, a version (`late/3`) or an alias (`late@champion`): the cause of the next. */
  readonly registry_events: { readonly subject: string; readonly event: string };
}

export const migrations: readonly Migration[] = [
  {
    name: "001-runs",
    async up({ schema }) {
      await schema
        .createTable("registry_runs")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("experiment", "text", (column) => column.notNull())
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("parent", "text", (column) => column.references("registry_runs.id"))
        .addColumn("status", "text", (column) => column.notNull())
        .addColumn("started_ms", "integer", (column) => column.notNull())
        .addColumn("ended_ms", "integer")
        .addColumn("tags", "text", (column) => column.notNull())
        .addColumn("inputs", "text", (column) => column.notNull())
        .execute();
      await schema
        .createIndex("registry_runs_experiment")
        .on("registry_runs")
        .columns(["experiment", "started_ms"])
        .execute();
      await schema
        .createTable("registry_params")
        .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("value", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("registry_params_key", ["run", "name"])
        .execute();
      await schema
        .createTable("registry_series")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
        .addColumn("name", "text", (column) => column.notNull())
        .addUniqueConstraint("registry_series_name", ["run", "name"])
        .execute();
      await schema
        .createTable("registry_points")
        .addColumn("series", "integer", (column) => column.notNull().references("registry_series.id"))
        .addColumn("step", "integer", (column) => column.notNull())
        .addColumn("sequence", "integer", (column) => column.notNull())
        .addColumn("time_ms", "integer", (column) => column.notNull())
        .addColumn("value", "real")
        .addColumn("exact", "text")
        .addPrimaryKeyConstraint("registry_points_key", ["series", "step", "sequence"])
        .execute();
      await schema
        .createTable("registry_artifacts")
        .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
        .addColumn("path", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("size_bytes", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("registry_artifacts_key", ["run", "path"])
        .execute();
    },
    async down({ schema }) {
      for (const table of ["artifacts", "points", "series", "params", "runs"])
        await schema.dropTable(`registry_${table}`).execute();
    },
  },
  {
    name: "002-models",
    async up({ schema }) {
      await schema
        .createTable("registry_versions")
        .addColumn("model", "text", (column) => column.notNull())
        .addColumn("version", "integer", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("approval", "text", (column) => column.notNull())
        .addColumn("run", "text")
        .addColumn("created_ms", "integer", (column) => column.notNull())
        .addColumn("tags", "text", (column) => column.notNull())
        .addColumn("manifest", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("registry_versions_key", ["model", "version"])
        .addUniqueConstraint("registry_versions_digest", ["model", "digest"])
        .execute();
      await schema
        .createTable("registry_approvals")
        .addColumn("model", "text", (column) => column.notNull())
        .addColumn("version", "integer", (column) => column.notNull())
        .addColumn("decision", "integer", (column) => column.notNull())
        .addColumn("status", "text", (column) => column.notNull())
        .addColumn("decided_by", "text", (column) => column.notNull())
        .addColumn("comment", "text")
        .addColumn("time_ms", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("registry_approvals_key", ["model", "version", "decision"])
        .execute();
      await schema
        .createTable("registry_aliases")
        .addColumn("model", "text", (column) => column.notNull())
        .addColumn("alias", "text", (column) => column.notNull())
        .addColumn("version", "integer", (column) => column.notNull())
        .addColumn("time_ms", "integer", (column) => column.notNull())
        .addColumn("move", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("registry_aliases_key", ["model", "alias", "move"])
        .execute();
    },
    async down({ schema }) {
      for (const table of ["aliases", "approvals", "versions"]) await schema.dropTable(`registry_${table}`).execute();
    },
  },
  {
    name: "003-events",
    async up({ schema }) {
      await schema
        .createTable("registry_events")
        .addColumn("subject", "text", (column) => column.primaryKey())
        .addColumn("event", "text", (column) => column.notNull())
        .execute();
    },
    async down({ schema }) {
      await schema.dropTable("registry_events").execute();
    },
  },
];
