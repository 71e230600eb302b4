import { createHash } from "node:crypto";
import { featureName, type FeatureType, type FeatureView } from "../definition/definition.ts";
import type { SectionMark } from "../keyed/entity-blob.ts";

/** How many bytes a value of a type takes. A text stands among the texts behind the rows: its slot says where, and how long it is. */
const WIDTHS: Readonly<Record<FeatureType, number>> = {
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  float32: 4,
  float64: 8,
  date: 4,
  timestamp: 8,
  bool: 1,
  utf8: 8,
};

/** Bytes of a row before its masks: event time, created time, expiry, flags. */
export const ROW_BYTES = 25;

/** Where things stand in a row that has so many of the view's inputs and features. */
export interface RowShape {
  readonly inputs: number;
  readonly values: number;
  /** Tells rows of other columns apart. */
  readonly hash: number;
  readonly inputsAt: number;
  readonly valuesAt: number;
  readonly stride: number;
}

/** Features [from, to) of one type. */
export interface FeatureRun {
  readonly type: FeatureType;
  readonly from: number;
  readonly to: number;
}

/** How a view's rows stand in its section. Features come one after another, so that more of them leave those before where they were. */
export interface RowLayout {
  readonly view: FeatureView;
  readonly mark: SectionMark;
  readonly types: readonly FeatureType[];
  /** Where each feature stands among the values, and then where they end. */
  readonly offsets: readonly number[];
  /** The features by type, those of one type that stand side by side together. */
  readonly runs: readonly FeatureRun[];
  /** The names of the features in a service's vectors. */
  readonly names: readonly string[];
  /** The shape of rows that have all columns. */
  readonly shape: RowShape;
  /** The shape of rows that have the first of them; undefined where the view has not so many. */
  shapeOf(inputs: number, values: number): RowShape | undefined;
}

export function layoutOf(view: FeatureView): RowLayout {
  const types = Object.values(view.features);
  const inputs = Object.entries(view.inputs);
  const offsets = [0];
  for (const type of types) offsets.push(offsets.at(-1)! + WIDTHS[type]);
  const shapes = new Map<number, RowShape>();
  const shapeOf = (inputCount: number, valueCount: number): RowShape | undefined => {
    if (inputCount > inputs.length || valueCount > types.length) return undefined;
    const known = shapes.get(inputCount * 65_536 + valueCount);
    if (known !== undefined) return known;
    const columns = [inputs.slice(0, inputCount), Object.entries(view.features).slice(0, valueCount)];
    // A bit for each column that is null, and one for each input that is a text.
    const inputsAt = ROW_BYTES + Math.ceil((inputCount * 2 + valueCount) / 8);
    const valuesAt = inputsAt + inputCount * 8;
    const shape = {
      inputs: inputCount,
      values: valueCount,
      hash: createHash("sha256").update(JSON.stringify(columns)).digest().readUInt32LE(0),
      inputsAt,
      valuesAt,
      stride: valuesAt + offsets[valueCount]!,
    };
    shapes.set(inputCount * 65_536 + valueCount, shape);
    return shape;
  };
  return {
    view,
    mark: markOf(view.id),
    types,
    offsets,
    runs: runsOf(types),
    names: Object.keys(view.features).map((name) => featureName(view, name)),
    shape: shapeOf(inputs.length, types.length)!,
    shapeOf,
  };
}

/** The mark of a section by what it is of. */
export function markOf(text: string): SectionMark {
  const digest = createHash("sha256").update(text).digest();
  return { low: digest.readUInt32LE(0), high: digest.readUInt32LE(4) };
}

function runsOf(types: readonly FeatureType[]): FeatureRun[] {
  const runs: { type: FeatureType; from: number; to: number }[] = [];
  types.forEach((type, index) => {
    const last = runs.at(-1);
    if (last?.type === type) last.to++;
    else runs.push({ type, from: index, to: index + 1 });
  });
  return runs;
}
