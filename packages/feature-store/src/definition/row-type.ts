import type { FeatureType, FeatureView, KeyType } from "./definition.ts";
import type { SourceRow } from "./source-columns.ts";

/** What stands in a plain row for a column of the type: a Date or microseconds for a timestamp, days since 1970 for a date. */
export type RowValue<Type extends FeatureType> = Type extends "utf8"
  ? string
  : Type extends "bool"
    ? boolean
    : Type extends "timestamp"
      ? Date | bigint
      : Type extends "int64" | "uint64"
        ? bigint | number
        : number;

/** The names of a view's columns that are no features: known to the compiler where the definition is written out. */
export interface ColumnNames {
  readonly eventTime: string;
  readonly createdTime: string;
  readonly marks: string;
}

type Nullable<Types extends Readonly<Record<string, FeatureType>>, Taken = never> = {
  readonly [Name in Exclude<keyof Types, Taken>]: RowValue<Types[Name]> | null | undefined;
};

/**
 * A plain row of a view: keys and event time have values, all other columns may be null or undefined, but are named. Where the compiler does not know all names, any row.
 */
export type RowOf<
  Keys extends Readonly<Record<string, KeyType>>,
  Features extends Readonly<Record<string, FeatureType>>,
  Inputs extends Readonly<Record<string, FeatureType>>,
  Names extends ColumnNames,
> = string extends keyof Keys | keyof Features | keyof Inputs | Names[keyof ColumnNames]
  ? SourceRow
  : { readonly [Name in keyof Keys]: RowValue<Keys[Name]> } & {
        readonly [Name in Names["eventTime"]]: Date | bigint;
      } & { readonly [Name in Names["createdTime"]]: Date | bigint | null | undefined } & {
        readonly [Name in Names["marks"]]: boolean | null | undefined;
      } & Nullable<Features, keyof Keys> &
        Nullable<Inputs, keyof Keys | keyof Features> extends infer Row
    ? { readonly [Name in keyof Row]: Row[Name] }
    : never;

/** The rows that a view takes, as far as the compiler knows them; of a view that is named, any. */
export type RowFor<View extends string | FeatureView> = View extends { readonly "~row"?: infer Row }
  ? Extract<Row, SourceRow>
  : SourceRow;
