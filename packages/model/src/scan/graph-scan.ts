import { posix } from "node:path";
import type { RandomBytes } from "../random-bytes.ts";
import { type MessageSpan, fieldsOf, messagesIn, textIn } from "./protobuf-walk.ts";
import type { Observation } from "./observation.ts";

const whole = (bytes: RandomBytes): MessageSpan => ({ bytes, start: 0, end: bytes.sizeBytes });

/** Domains whose operators ONNX Runtime brings along: all others are native code from elsewhere. */
const ownDomains = new Set([
  "",
  "ai.onnx",
  "ai.onnx.ml",
  "ai.onnx.training",
  "ai.onnx.preview.training",
  "com.microsoft",
  "com.microsoft.nchwc",
]);

/** Fields of a `ModelProto` (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). */
const modelFields = new Set([1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26]);

/** What an ONNX file holds beside numbers; `undefined` for what is none. */
export async function scanOnnx(bytes: RandomBytes): Promise<Observation | undefined> {
  const model = whole(bytes);
  const fields = await fieldsOf(model, 100_000);
  if (fields === undefined || !fields.every(({ number }) => modelFields.has(number))) return undefined;
  const version = fields.find(({ number, wireType }) => number === 1 && wireType === 0)?.value ?? 0;
  const graphs = await messagesIn(model, 7);
  if (version < 1 || version > 1000 || graphs.length === 0) return undefined;
  const functions = await messagesIn(model, 25);
  const local = new Set<string>();
  for (const each of functions) local.add(await textIn(each, 10));
  const found: OnnxFindings = { operators: new Set(), files: new Set(), isReadable: true };
  for (const graph of graphs) await walkGraph(graph, 1, found, 0);
  for (const each of functions) await walkGraph(each, 7, found, 0);
  const strangers = [...found.operators].filter((operator) => isForeign(operator, local));
  const problems = strangers.map((operator) => ({
    rule: "operator" as const,
    problem: `has the operator ${operator}, which is code from elsewhere`,
  }));
  const strays = [...found.files].filter(leadsOut);
  return {
    kind: "onnx",
    names: [...found.files].filter((file) => !leadsOut(file)).map((file) => posix.normalize(file)),
    problems: [
      ...problems,
      ...(found.isReadable ? [] : [{ rule: "operator" as const, problem: "has a graph that cannot be read through" }]),
      ...strays.map((file) => ({
        rule: "external-data" as const,
        problem: `takes its weights from ${JSON.stringify(file)}, outside the package`,
      })),
    ],
  };
}

interface OnnxFindings {
  /** `domain::name` each. */
  readonly operators: Set<string>;
  readonly files: Set<string>;
  /** Whether every graph and node could be read through. */
  isReadable: boolean;
}

/** ONNX Runtime has one operator of its own that calls Python. */
function isForeign(operator: string, local: ReadonlySet<string>): boolean {
  const [domain = "", name = ""] = operator.split("::");
  return name === "PythonOp" || name === "PyOp" || (!ownDomains.has(domain) && !local.has(domain));
}

const leadsOut = (file: string): boolean => file === "" || /^[/\\]|^[a-zA-Z]:|(?:^|[/\\])\.\.(?:[/\\]|$)/.test(file);

/** @param nodeField 1 in a `GraphProto`, 7 in a `FunctionProto`. */
async function walkGraph(graph: MessageSpan, nodeField: number, found: OnnxFindings, depth: number): Promise<void> {
  // ONNX Runtime itself does not follow graphs that lie so deep in each other.
  const fields = depth > 64 ? undefined : await fieldsOf(graph);
  if (fields === undefined) {
    found.isReadable = false;
    return;
  }
  for (const { number, wireType, start, end } of fields) {
    if (wireType !== 2) continue;
    const span = { bytes: graph.bytes, start, end };
    if (number === nodeField) await walkNode(span, found, depth);
    else if (number === 5 && nodeField === 1) await noteTensor(span, found);
    else if (number === 15 && nodeField === 1)
      for (const part of [1, 2]) for (const tensor of await messagesIn(span, part)) await noteTensor(tensor, found);
  }
}

async function walkNode(node: MessageSpan, found: OnnxFindings, depth: number): Promise<void> {
  found.operators.add(`${await textIn(node, 7)}::${await textIn(node, 4)}`);
  if ((await fieldsOf(node)) === undefined) found.isReadable = false;
  for (const attribute of await messagesIn(node, 5)) {
    const fields = await fieldsOf(attribute);
    if (fields === undefined) {
      found.isReadable = false;
      continue;
    }
    for (const { number, wireType, start, end } of fields) {
      if (wireType !== 2) continue;
      const span = { bytes: node.bytes, start, end };
      if (number === 5 || number === 10) await noteTensor(span, found);
      else if (number === 6 || number === 11) await walkGraph(span, 1, found, depth + 1);
    }
  }
}

/** Where a tensor's bytes are in another file: entries of `external_data`. */
async function noteTensor(tensor: MessageSpan, { files }: OnnxFindings): Promise<void> {
  for (const entry of await messagesIn(tensor, 13))
    if ((await textIn(entry, 1)) === "location") files.add(await textIn(entry, 2));
}

/** Operators of TensorFlow that run Python, or read and write files. */
const codeOperators = new Set([
  "PyFunc",
  "PyFuncStateless",
  "EagerPyFunc",
  "ReadFile",
  "WriteFile",
  "MatchingFiles",
  "PrintV2",
]);

/** A SavedModel or a frozen graph of TensorFlow; `undefined` for what is neither. */
export async function scanTensorFlow(bytes: RandomBytes): Promise<Observation | undefined> {
  const root = whole(bytes);
  const fields = await fieldsOf(root, 1_000_000);
  if (fields === undefined || fields.length === 0) return undefined;
  const operators = new Set<string>();
  const isSaved =
    fields.some(({ number, value }) => number === 1 && value === 1) &&
    fields.every(({ number, wireType }) => (number === 1 && wireType === 0) || (number === 2 && wireType === 2));
  if (isSaved)
    for (const meta of await messagesIn(root, 2))
      for (const graph of await messagesIn(meta, 2)) await noteOperators(graph, operators);
  const isGraph =
    !isSaved && fields.every(({ number, wireType }) => (number <= 2 && wireType === 2) || number === 3 || number === 4);
  if (isGraph) await noteOperators(root, operators);
  if (operators.size === 0) return undefined;
  const code = [...operators].filter((operator) => codeOperators.has(operator)).toSorted();
  return {
    kind: isSaved ? "tensorflow-saved-model" : "tensorflow-graph",
    problems: code.map((operator) => ({
      rule: "operator",
      problem: `has TensorFlow's operator ${operator}, which reaches beyond the model`,
    })),
  };
}

/** Those of a `GraphDef` and of the functions in its library. */
async function noteOperators(graph: MessageSpan, operators: Set<string>): Promise<void> {
  const note = async (node: MessageSpan): Promise<void> => {
    const operator = await textIn(node, 2);
    if (/^[A-Z_][A-Za-z0-9_>]*$/.test(operator)) operators.add(operator);
  };
  for (const node of await messagesIn(graph, 1)) await note(node);
  for (const library of await messagesIn(graph, 2))
    for (const definition of await messagesIn(library, 1))
      for (const node of await messagesIn(definition, 3)) await note(node);
}
