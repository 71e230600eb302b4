import type { FeatureSource } from "@millwright/contracts";
import type { ContractCase } from "@millwright/contracts/testing";
import type { SourceRow } from "../definition/source-columns.ts";

/** What not every adapter can do, by the nature of what it reads from. */
export type AdapterAbility =
  /** Rows can be written after it was opened, and count at once. */
  | "write"
  /** Deleted entities read as `deleted`. */
  | "delete"
  /** Keys of several columns. */
  | "compositeKeys"
  /** Types of 8 and 16 bits, and unsigned ones of 32. */
  | "smallIntegers"
  | "unsigned64"
  | "dates"
  /** Features that are timestamps keep their microseconds. */
  | "microseconds"
  /** Event times keep their milliseconds. */
  | "milliseconds"
  | "minusZero"
  /** NaN and infinities. */
  | "notFinite"
  | "emptyText"
  /** Text with U+0000 in it. */
  | "zeroCharacters";

/** An adapter that holds `adapterRows`, opened with `adapterServices` and a clock that stands at `ADAPTER_NOW_MS`. */
export interface FeatureAdapterFixture {
  readonly source: FeatureSource;
  /** Of each ability: true, or why it cannot be. */
  readonly abilities: Readonly<Record<AdapterAbility, true | string>>;
  /** Writes rows to a view. Not called without the ability `write`. */
  put(view: string, rows: readonly SourceRow[]): Promise<void>;
}

export interface FeatureAdapterCase extends ContractCase<FeatureAdapterFixture> {
  readonly needs: readonly AdapterAbility[];
}

/** Why a case is not for an adapter; undefined where it is. */
export function adapterSkip(
  { needs }: Pick<FeatureAdapterCase, "needs">,
  { abilities }: Pick<FeatureAdapterFixture, "abilities">,
): string | undefined {
  const missing = needs.find((ability) => abilities[ability] !== true);
  return missing === undefined ? undefined : (abilities[missing] as string);
}
