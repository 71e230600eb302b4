import { parameterInvalid } from "../errors.ts";

/** A column of a report; what was not compared has no verdict. */
export interface ColumnVerdict {
  readonly name: string;
  readonly drifted?: boolean | undefined;
}

export interface DatasetDriftOptions {
  /** Share of drifted columns from which on the table has drifted, in (0, 1]. Default: 0.5, as in Evidently. */
  readonly share?: number | undefined;
  /** What each column weighs, at least 0, such as its importance; columns without one weigh 0. Default: all the same. */
  readonly weights?: Readonly<Record<string, number>> | undefined;
  /** Columns of which any one is enough, whatever the share. Default: none. */
  readonly keys?: readonly string[] | undefined;
}

export interface DatasetDrift {
  readonly drifted: boolean;
  /** Of the weight of the columns that were compared, in [0, 1]; 0 where none was. */
  readonly share: number;
  readonly driftedColumns: readonly string[];
  /** Of `keys`, those that drifted. */
  readonly driftedKeys: readonly string[];
  /** Columns that were compared. */
  readonly compared: number;
}

/** Sums of shares that are equal but for rounding count as equal. */
const rounding = 1e-12;

/** The verdict on a table from those on its columns. Throws `MONITOR_PARAMETER_INVALID` for the options, and for keys that are no columns. */
export function datasetDrift(
  columns: readonly ColumnVerdict[],
  { share = 0.5, weights, keys = [] }: DatasetDriftOptions = {},
): DatasetDrift {
  if (!(share > 0 && share <= 1)) throw parameterInvalid(`share is ${share}, and must be in (0, 1]`);
  const names = new Set(columns.map(({ name }) => name));
  for (const key of keys) if (!names.has(key)) throw parameterInvalid(`no column is named "${key}"`);
  const weightOf = (name: string): number =>
    weights === undefined ? 1 : Object.hasOwn(weights, name) ? (weights[name] as number) : 0;
  const compared = columns.filter(({ drifted }) => drifted !== undefined);
  let [total, sum] = [0, 0];
  for (const { name, drifted } of compared) {
    const weight = weightOf(name);
    if (!(weight >= 0 && Number.isFinite(weight)))
      throw parameterInvalid(`the weight of "${name}" is ${weight}, and must be at least 0`);
    total += weight;
    if (drifted === true) sum += weight;
  }
  const driftedColumns = compared.filter(({ drifted }) => drifted === true).map(({ name }) => name);
  const driftedKeys = keys.filter((key) => driftedColumns.includes(key));
  const found = total === 0 ? 0 : sum / total;
  return {
    drifted: driftedKeys.length > 0 || (total > 0 && found >= share - rounding),
    share: found,
    driftedColumns,
    driftedKeys,
    compared: compared.length,
  };
}
