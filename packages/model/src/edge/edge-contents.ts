import type { ResolvedModel, Schema } from "@millwright/contracts";
import { type FittedTransforms, transformSchema } from "@millwright/data";
import { storedTransforms } from "../batch-inputs.ts";
import { calibrationFile, type CalibrationMap, readCalibration } from "../calibration.ts";
import { readDenseLayers } from "../dense-runtime.ts";
import { edgeUnsupported } from "../errors.ts";
import type { FlatTrees } from "../flat-trees.ts";
import { readLinear } from "../linear-model.ts";
import type { EdgeSpec } from "../portable/edge-module.ts";
import { type NumbersType, type StoredNumbers, numberBytes } from "../portable/numbers.ts";
import { flattenTrees } from "../tree-kernel.ts";
import { readTrees } from "../tree-runtime.ts";

/** What a module is made of, beside its code. */
export interface EdgeModelContents {
  readonly spec: EdgeSpec;
  readonly weights: Uint8Array;
  readonly transforms: FittedTransforms | undefined;
  readonly calibration: CalibrationMap | undefined;
}

interface FormatContents {
  readonly model: object;
  readonly classes?: readonly string[] | undefined;
  readonly numbers: readonly StoredNumbers[];
  readonly weights: Uint8Array;
}

/** Reads a package of the formats that are exported. Throws `MODEL_EDGE_UNSUPPORTED` and `PORT_MODEL_CORRUPT`. */
export async function readEdgeContents(
  { directory, digest, manifest }: Pick<ResolvedModel, "digest" | "directory" | "manifest">,
  signal: AbortSignal | undefined,
): Promise<EdgeModelContents> {
  const { name, format, signature, golden, files } = manifest;
  const transforms = storedTransforms(directory, manifest);
  const { model, classes, numbers, weights } = await readFormat({ directory, manifest }, signal);
  const calibration = files.some(({ path }) => path === calibrationFile)
    ? (await readCalibration(directory, manifest, signal)).map
    : undefined;
  const columns: Schema | undefined = transforms === undefined ? undefined : transformSchema(transforms);
  const spec: EdgeSpec = {
    formatVersion: 1,
    name,
    format,
    digest,
    signature,
    ...(columns === undefined ? {} : { columns }),
    ...(classes === undefined ? {} : { classes }),
    golden,
    numbers,
    parts: {
      model,
      ...(transforms === undefined ? {} : { transforms: transforms.steps }),
      ...(calibration === undefined ? {} : { calibration }),
    },
  };
  return { spec, weights, transforms, calibration };
}

type Package = Pick<ResolvedModel, "directory" | "manifest">;

async function readFormat(resolved: Package, signal: AbortSignal | undefined): Promise<FormatContents> {
  const { name, format } = resolved.manifest;
  switch (format) {
    case "dense":
      return denseContents(resolved, signal);
    case "trees":
      return treeContents(resolved, signal);
    case "linear":
      return linearContents(resolved, signal);
    default:
      throw edgeUnsupported(name, format);
  }
}

async function denseContents(
  { directory, manifest }: Package,
  signal: AbortSignal | undefined,
): Promise<FormatContents> {
  const layers = await readDenseLayers(directory, manifest, signal);
  return {
    model: { layers: layers.map(({ activation }) => ({ activation })) },
    ...packed(
      layers.flatMap(({ kernel, bias }, at) => [
        [`kernel${at}`, Float32Array.from(kernel)] as const,
        [`bias${at}`, Float32Array.from(bias)] as const,
      ]),
    ),
  };
}

async function treeContents(
  { directory, manifest }: Package,
  signal: AbortSignal | undefined,
): Promise<FormatContents> {
  const { features, base, bases, link, classes, ...model } = await readTrees(directory, manifest, signal);
  const flat = flattenTrees({ features, base, link, ...model });
  const away = (child: Int32Array): Int32Array =>
    child.map((node, at) => ((flat.feature[at] as number) < 0 ? 0 : node - at));
  const missing = flat.missing.map((node, at) => ((flat.feature[at] as number) >= 0 && node === flat.left[at] ? 1 : 0));
  const arrays = { ...flat, left: away(flat.left), right: away(flat.right), missing } satisfies FlatTrees;
  return {
    model: { features, base, link, ...(bases === undefined ? {} : { bases }) },
    classes,
    ...packed(Object.entries(arrays)),
  };
}

async function linearContents(
  { directory, manifest }: Package,
  signal: AbortSignal | undefined,
): Promise<FormatContents> {
  const { link, classes, coefficients, intercepts } = await readLinear(directory, manifest, signal);
  return {
    model: { link },
    classes,
    ...packed([
      ["coefficients", Float64Array.from(coefficients.flat())],
      ["intercepts", Float64Array.from(intercepts)],
    ]),
  };
}

type PackedArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** Arrays one after another, integers in as few bytes as hold them. */
function packed(
  arrays: readonly (readonly [name: string, values: PackedArray])[],
): Pick<FormatContents, "numbers" | "weights"> {
  const numbers = arrays.map(([name, values]): StoredNumbers => ({
    name,
    type: typeOf(values),
    length: values.length,
  }));
  const size = numbers.reduce((sum, { type, length }) => sum + numberBytes[type] * length, 0);
  const view = new DataView(new ArrayBuffer(size));
  let at = 0;
  for (const [index, [, values]] of arrays.entries()) {
    const { type } = numbers[index] as StoredNumbers;
    for (const value of values) {
      put(view, at, type, value);
      at += numberBytes[type];
    }
  }
  return { numbers, weights: new Uint8Array(view.buffer) };
}

function typeOf(values: PackedArray): NumbersType {
  if (values instanceof Float32Array) return "f32";
  if (values instanceof Float64Array) return "f64";
  return values instanceof Uint8Array ? "u8" : narrowest(values);
}

function narrowest(values: Int32Array): NumbersType {
  let most = 0;
  for (const value of values) most = Math.max(most, value < 0 ? -1 - value : value);
  return most < 128 ? "i8" : most < 32_768 ? "i16" : "i32";
}

function put(view: DataView, at: number, type: NumbersType, value: number): void {
  switch (type) {
    case "f32":
      return view.setFloat32(at, value, true);
    case "f64":
      return view.setFloat64(at, value, true);
    case "i8":
      return view.setInt8(at, value);
    case "i16":
      return view.setInt16(at, value, true);
    case "i32":
      return view.setInt32(at, value, true);
    case "u8":
      return view.setUint8(at, value);
  }
}
