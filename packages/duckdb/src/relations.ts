import {
  createIdSource,
  systemClock,
  type Batch,
  type CallOptions,
  type Dataset,
  type Schema,
} from "@millwright/contracts";
import { createDataset } from "@millwright/data";
import type { Connections } from "./connections.ts";
import { emptySql } from "./file-sql.ts";
import { type FileWatch, watchBoth } from "./file-watch.ts";
import {
  groupBySql,
  joinSql,
  ordered,
  windowSql,
  type GroupByOptions,
  type JoinOptions,
  type SortKey,
  type Table,
  type WindowOptions,
} from "./relation-sql.ts";
import { projection } from "./query.ts";
import { createSqlDataset, queryBehind } from "./sql-dataset.ts";
import type { SqlParameters } from "./sql.ts";
import { describe, stream } from "./statements.ts";

/** Copies a dataset into a table, which disposing drops. */
type Register = (
  name: string,
  source: Dataset,
  options: CallOptions,
) => Promise<AsyncDisposable & { readonly sql: string }>;

/** SQL over tables that stand only while it runs: copies of the datasets that are not DuckDB's own. */
interface Plan {
  readonly foreign: readonly Dataset[];
  readonly params: SqlParameters;
  /** @param tables The copies, in the order of `foreign`, as they go into SQL. */
  sql(tables: readonly string[]): string;
  /** What it reads, for error messages. */
  readonly where?: string | undefined;
  /** The files it reads, which must stay as they are. */
  readonly files?: FileWatch | undefined;
}

/** Joins, groups and windows over datasets, which DuckDB works out at each walk. */
export interface Relations {
  join(left: Dataset, right: Dataset, options: JoinOptions): Promise<Dataset>;
  groupBy(dataset: Dataset, options: GroupByOptions): Promise<Dataset>;
  window(dataset: Dataset, options: WindowOptions): Promise<Dataset>;
}

export function createRelations(connections: Connections, register: Register): Relations {
  const plans = new WeakMap<Dataset, Plan>();
  const ids = createIdSource(systemClock);

  const planOf = (dataset: Dataset): Plan => {
    const query = queryBehind(connections, dataset);
    if (query !== undefined) return { ...query, foreign: [], sql: () => query.sql };
    return plans.get(dataset) ?? copied(dataset);
  };
  async function* walk(plan: Plan, schema: Schema, { columns, signal }: WalkOptions): AsyncGenerator<Batch> {
    const tables: Awaited<ReturnType<Register>>[] = [];
    try {
      for (const source of plan.foreign)
        tables.push(await register(`__millwright_relation_${ids.next()}`, source, { signal }));
      const sql = projection(plan.sql(tables.map((table) => table.sql)), columns);
      const selected = columns.flatMap((name) => schema.filter((field) => field.name === name));
      const { params, where, files } = plan;
      yield* stream(connections, sql, { params, where, files, schema: selected, signal });
    } finally {
      // Where the instance was closed meanwhile, its tables are gone already.
      await Promise.allSettled(tables.map((table) => table[Symbol.asyncDispose]()));
    }
  }
  const datasetOf = async (
    plan: Plan,
    { orderBy, signal }: { readonly orderBy?: readonly SortKey[] | undefined } & CallOptions,
  ): Promise<Dataset> => {
    const { params, where, files } = plan;
    const empty = plan.sql(plan.foreign.map(({ schema }) => `(${emptySql(schema)})`));
    const schema = await describe(connections, empty, { params, where, signal });
    const whole: Plan = { ...plan, sql: (tables) => ordered(plan.sql(tables), schema, orderBy) };
    // Checked now, not at the first walk.
    const sql = whole.sql(plan.foreign.map(() => ""));
    if (plan.foreign.length === 0)
      return createSqlDataset(connections, { query: { sql, params, where, files }, schema });
    const dataset = createDataset({ schema, walk: (options) => walk(whole, schema, options) });
    plans.set(dataset, whole);
    return dataset;
  };
  return {
    async join(left, right, options) {
      options.signal?.throwIfAborted();
      return datasetOf(planOfTwo(planOf(left), planOf(right), { left, right }, options), options);
    },
    async groupBy(dataset, options) {
      options.signal?.throwIfAborted();
      const plan = planOfOne(planOf(dataset), (sql) => groupBySql({ sql, schema: dataset.schema }, options));
      return datasetOf(plan, { orderBy: options.orderBy ?? options.by, signal: options.signal });
    },
    async window(dataset, options) {
      options.signal?.throwIfAborted();
      const plan = planOfOne(planOf(dataset), (sql) => windowSql({ sql, schema: dataset.schema }, options));
      return datasetOf(plan, { signal: options.signal });
    },
  };
}

interface WalkOptions extends CallOptions {
  readonly columns: readonly string[];
}

const copied = (dataset: Dataset): Plan => ({
  foreign: [dataset],
  params: [],
  sql: ([table]) => `SELECT * FROM ${table}`,
});

const planOfOne = (plan: Plan, make: (sql: string) => string): Plan => ({
  ...plan,
  sql: (tables) => make(plan.sql(tables)),
});

const hasParams = ({ params }: Plan): boolean => Object.keys(params).length > 0;

function planOfTwo(
  left: Plan,
  own: Plan,
  datasets: { readonly left: Dataset; readonly right: Dataset },
  options: JoinOptions,
): Plan {
  // Parameters of two queries may have the same names: the second query gives its rows as a table.
  const right = hasParams(left) && hasParams(own) ? copied(datasets.right) : own;
  const count = left.foreign.length;
  const table = (plan: Plan, dataset: Dataset, tables: readonly string[]): Table => ({
    sql: plan.sql(tables),
    schema: dataset.schema,
  });
  return {
    foreign: [...left.foreign, ...right.foreign],
    params: hasParams(left) ? left.params : right.params,
    where: left.where ?? right.where,
    files: watchBoth(left.files, right.files),
    sql: (tables) =>
      joinSql(
        table(left, datasets.left, tables.slice(0, count)),
        table(right, datasets.right, tables.slice(count)),
        options,
      ),
  };
}
