import type { Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import type { PredictRequest } from "../engine/prediction.ts";
import type { Row } from "../engine/rows.ts";
import { sizeOf } from "../engine/tensor-rows.ts";
import { bodyInvalid, contentTypeUnsupported, inputInvalid, requestInvalid } from "../errors.ts";
import { cellValue, parseCsv } from "../http/csv.ts";
import { type HttpRequest, jsonObjectOf, mediaType, parseJson, textOf } from "../http/http-message.ts";
import { pointer, tensorFromJson } from "../http/json-tensors.ts";
import { type ContentFormat, contentTypes, formatOfBody } from "./accept.ts";
import { readArrow } from "./arrow.ts";
import { columnForm, shapeOf } from "./column-form.ts";
import { explainOf } from "./explain-parameter.ts";
import { multipartParts } from "./multipart.ts";
import { readNpy } from "./npy.ts";
import { scanInstances } from "./scan-instances.ts";
import { readZip } from "./zip.ts";

/** What a body asks. */
export type Asked = Pick<PredictRequest, "entities" | "request" | "instances" | "inputs" | "explain">;

type Content = Pick<HttpRequest, "body" | "headers">;

/** What zips may unpack to. */
const maxUnpackedBytes = 64 * 1024 * 1024;

/** What a body is read for. */
export interface ContentSite {
  /** What becomes of members of a JSON body that nothing reads. */
  readonly unknownFields: "refuse" | "ignore";
  /** The inputs by which arrays and columns get their types; asked only where a body has some. */
  inputs(): readonly TensorSpec[] | Promise<readonly TensorSpec[]>;
  /** What the model's transforms read, where it has some; asked only where a body has columns. */
  columns?(): readonly { readonly name: string }[] | undefined;
  /** The one input of numbers, where rows of a body can be nothing else: they are read straight into its tensor. */
  readonly scanned?: TensorSpec | undefined;
}

type Specs = readonly TensorSpec[];

/** What is made of the inputs, at once where they are there. */
function withInputs<Made>(site: ContentSite, make: (specs: Specs) => Made): Made | Promise<Made> {
  const specs = site.inputs();
  return specs instanceof Promise ? specs.then(make) : make(specs as Specs);
}

/** Reads a body by its content type. Throws `SERVING_BODY_INVALID`, `SERVING_INPUT_INVALID`, `SERVING_REQUEST_INVALID`, `SERVING_CONTENT_TYPE_UNSUPPORTED`. */
export function readContent(site: ContentSite, content: Content): Asked | Promise<Asked> {
  const format = formatOfBody(content.headers);
  if (format === undefined) throw contentTypeUnsupported(mediaType(content.headers["content-type"]), contentTypes);
  return readers[format](site, content);
}

const readers: Readonly<Record<ContentFormat, (site: ContentSite, content: Content) => Asked | Promise<Asked>>> = {
  json: (site, { body }) => {
    const tensor = site.scanned === undefined ? undefined : scanInstances(site.scanned, body);
    if (tensor !== undefined && site.scanned !== undefined) return { inputs: { [site.scanned.name]: tensor } };
    return readJson(site, jsonObjectOf(body));
  },
  lines: (_site, { body }) => ({ instances: linesOf(textOf(body)).map(parseJson) }),
  csv: (_site, { body, headers }) => ({
    instances: csvInstances(textOf(body), /;\s*header=present/i.test(headers["content-type"] ?? "")),
  }),
  npy: (site, { body }) => {
    const tensor = readNpy(body);
    return withInputs(site, (specs) => ({ inputs: onlyInput(specs, tensor) }));
  },
  npz: (site, { body }) => {
    const files = [...readZip(body, maxUnpackedBytes)].map(
      ([name, file]) => [name.replace(/\.npy$/, ""), readNpy(file)] as const,
    );
    return withInputs(site, (specs) => ({ inputs: asInputs(specs, files) }));
  },
  arrow: (site, { body }) => {
    const content = readArrow(body);
    if ("rows" in content) return { instances: content.rows };
    return withInputs(site, (specs) => ({ inputs: asInputs(specs, Object.entries(content.tensors)) }));
  },
  multipart: readMultipart,
  events: () => {
    throw contentTypeUnsupported("text/event-stream", contentTypes);
  },
};

export const linesOf = (text: string): readonly string[] => text.split(/\r?\n/).filter((line) => line.trim() !== "");

const known = new Set(["instances", "entities", "request", "inputs", "signature_name", "id", "parameters"]);

function readJson(site: ContentSite, message: Readonly<Record<string, unknown>>): Asked | Promise<Asked> {
  const { instances, entities, request, inputs, parameters } = message;
  if (site.unknownFields === "refuse") {
    const unknown = Object.keys(message).find((name) => !known.has(name));
    if (unknown !== undefined)
      throw requestInvalid(`\`${unknown.slice(0, 80)}\` is nothing that is read`, "Leave it out.", pointer([unknown]));
  }
  const list = (what: string, value: unknown): readonly unknown[] | undefined => {
    if (value === undefined || Array.isArray(value)) return value;
    throw requestInvalid(`\`${what}\` is not a list`, `Send \`${what}\` as a list.`, pointer([what]));
  };
  const asked: Asked = {
    instances: list("instances", instances),
    entities: list("entities", entities) as readonly Row[] | undefined,
    request: list("request", request) as readonly Row[] | undefined,
    explain: explainOf(parameters),
  };
  if (inputs === undefined) return asked;
  return withInputs(site, (specs) => ({ ...asked, ...columnForm(specs, inputs, site.columns?.()) }));
}

/** Rows of numbers, or with a header line rows with names. */
function csvInstances(text: string, header: boolean): readonly unknown[] {
  const [first, ...rest] = parseCsv(text);
  if (first === undefined) throw bodyInvalid("the CSV has no rows");
  if (!header) return [first, ...rest].map((row) => row.map(cellValue));
  return rest.map((row) => Object.fromEntries(row.map((cell, at) => [first[at] ?? "", cellValue(cell)])));
}

/** The tensor as the one input of the model. */
function onlyInput(inputs: Specs, tensor: Tensor): Tensors {
  const [only] = inputs;
  if (only === undefined || inputs.length !== 1)
    throw requestInvalid(
      `an array without a name cannot be one of ${inputs.length} inputs`,
      `Send application/x-npz with ${inputs.map(({ name }) => name).join(", ")}.`,
    );
  return asInputs(inputs, [[only.name, tensor]]);
}

/** Tensors of another element type or without the last size 1 as the signature has them, where that loses nothing but precision. */
function asInputs(specs: Specs, tensors: readonly (readonly [string, Tensor])[]): Tensors {
  return Object.fromEntries(
    tensors.map(([name, tensor]) => {
      const spec = specs.find((each) => each.name === name);
      return [name, spec === undefined ? tensor : fitted(spec, tensor)];
    }),
  );
}

function fitted(spec: TensorSpec, tensor: Tensor): Tensor {
  const shape =
    tensor.shape.length === spec.shape.length - 1 && spec.shape.at(-1) === 1 ? [...tensor.shape, 1] : tensor.shape;
  const { dtype } = tensor;
  if (dtype === spec.dtype) return { ...tensor, shape } as Tensor;
  if (dtype === "string" || spec.dtype === "string")
    throw inputInvalid(
      spec.name,
      `it holds ${dtype}`,
      `Send ${spec.dtype}.`,
      undefined,
      pointer(["inputs", spec.name]),
    );
  if (sizeOf(shape) !== tensor.data.length) return tensor;
  const wide = dtype === "int64" || dtype === "uint64";
  const floating = spec.dtype === "float32" || spec.dtype === "float64";
  // 64-bit integers beyond 2^53 keep their digits on the way to another integer type, as texts.
  const items = Array.from<number | bigint, unknown>(tensor.data, (value) =>
    wide ? (floating ? Number(value) : String(value)) : value,
  );
  return tensorFromJson(spec.name, spec.dtype, shape, items, pointer(["inputs", spec.name]));
}

/** One part that is no input is the whole body, as a file that is uploaded; else each part is an input by its name. */
async function readMultipart(site: ContentSite, content: Content): Promise<Asked> {
  const parts = await multipartParts(content);
  const specs = await site.inputs();
  const [first] = parts;
  if (first === undefined) throw bodyInvalid("it has no parts");
  if (parts.length === 1 && !specs.some(({ name }) => name === first.name)) {
    const headers = { "content-type": first.type };
    if (mediaType(first.type) === "multipart/form-data") throw bodyInvalid("a part has parts itself");
    return readContent(site, { body: first.bytes, headers });
  }
  const tensors = parts.map(({ name, type, bytes }): readonly [string, Tensor] => {
    if (mediaType(type) === "application/x-npy") return [name, readNpy(bytes)];
    const value = parseJson(textOf(bytes));
    const spec = specs.find((each) => each.name === name);
    return [name, tensorFromJson(name, spec?.dtype ?? "float32", shapeOf(value), value, pointer(["inputs", name]))];
  });
  return { inputs: asInputs(specs, tensors) };
}
