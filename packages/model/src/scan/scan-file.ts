import { inflateSync, constants } from "node:zlib";
import type { CallOptions } from "@millwright/contracts";
import { type RandomBytes, bytesInMemory } from "../random-bytes.ts";
import { readZip } from "../archive/zip-reader.ts";
import { ModelError } from "../errors.ts";
import { scanOnnx, scanTensorFlow } from "./graph-scan.ts";
import { scanJson } from "./json-scan.ts";
import { endingProblem, markOf, otherKindOf, scriptProblem } from "./marks.ts";
import type { Observation, Problem } from "./observation.ts";
import { walkPickle } from "./pickle-walk.ts";
import { readText } from "./text-scan.ts";

/** Of an entry within a zip only so much is looked at. */
const mostEntryBytes = 16 << 20;

/** What the file is, by its bytes; its name only ever adds to what is wrong with it. Nothing of it is run, built or imported. */
export async function scanFile(
  bytes: RandomBytes,
  path: string,
  options: CallOptions = {},
  depth = 0,
): Promise<Observation> {
  const observed = await observe(bytes, path, options, depth);
  const problems = [...observed.problems];
  const ending = endingProblem(path);
  if (ending !== undefined && problems.length === 0) problems.push({ rule: "script", problem: ending });
  if (observed.kind !== "zip" && (await endsAsZip(bytes)))
    problems.push({ rule: "archive", problem: "has a zip at its end" });
  return { ...observed, problems };
}

async function observe(bytes: RandomBytes, path: string, options: CallOptions, depth: number): Promise<Observation> {
  options.signal?.throwIfAborted();
  if (bytes.sizeBytes === 0) return { kind: "empty", problems: [] };
  const head = await bytes.at(0, Math.min(4096, bytes.sizeBytes));
  const marked = markOf(head);
  if (marked !== undefined) return marked;
  if (["PK\x03\x04", "PK\x05\x06"].includes(head.toString("latin1", 0, 4))) return scanZip(bytes, options, depth);
  const pickle = await walkPickle(bytes);
  if (pickle !== undefined) return { kind: "pickle", problems: [pickleProblem(pickle.imports, pickle.calls)] };
  return (
    scanArray(head) ??
    (await scanSafetensors(bytes, head)) ??
    (await scanText(bytes, path, options)) ??
    (await scanOnnx(bytes)) ??
    (await scanTensorFlow(bytes)) ??
    (await scanOther(bytes, head)) ??
    scanCompressed(head) ?? { kind: "numbers", problems: [] }
  );
}

function pickleProblem(imports: readonly string[], calls: boolean): Problem {
  const shown = imports.slice(0, 8).join(", ") + (imports.length > 8 ? " and more" : "");
  const does = imports.length === 0 ? "" : `; reading it would import${calls ? " and call" : ""} ${shown}`;
  return { rule: "pickle", problem: `is a Python pickle${does}` };
}

/** NumPy's own format: a header in Python's syntax, then numbers, or a pickle where its items are objects. */
function scanArray(head: Buffer): Observation | undefined {
  if (!head.toString("latin1", 0, 6).startsWith("\x93NUMPY")) return undefined;
  const isLong = (head[6] ?? 0) >= 2;
  const start = isLong ? 12 : 10;
  const length = head.length < start ? 0 : isLong ? head.readUInt32LE(8) : head.readUInt16LE(8);
  const header = head.toString("latin1", start, start + length);
  const type = /'descr':\s*('[^']*'|\[[^]*?\]|[^,}]*)/.exec(header)?.[1] ?? "";
  if (!/O/.test(type)) return { kind: "npy", problems: [] };
  return {
    kind: "npy",
    problems: [{ rule: "pickle", problem: "is an array of Python objects, which NumPy unpickles" }],
  };
}

/** The length of a JSON header, the header, and numbers that it accounts for to the last byte (https://huggingface.co/docs/safetensors). */
async function scanSafetensors(bytes: RandomBytes, head: Buffer): Promise<Observation | undefined> {
  if (head.length < 10 || head[8] !== 0x7b) return undefined;
  const length = Number(head.readBigUInt64LE(0));
  if (length > 100_000_000 || 8 + length > bytes.sizeBytes) return undefined;
  let header: Readonly<Record<string, { readonly data_offsets?: unknown }>>;
  try {
    header = JSON.parse((await bytes.at(8, length)).toString("utf8")) as typeof header;
  } catch {
    return undefined;
  }
  const spans = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([, tensor]) =>
      (Array.isArray(tensor.data_offsets) ? (tensor.data_offsets as readonly unknown[]) : []).map(Number),
    )
    .toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0));
  let at = 0;
  const isWhole = spans.every(([start = -1, end = -1]) => start === at && end >= start && (at = end) === end);
  if (isWhole && 8 + length + at === bytes.sizeBytes) return { kind: "safetensors", problems: [] };
  return {
    kind: "safetensors",
    problems: [{ rule: "unrecognised", problem: "has bytes that belong to none of its tensors" }],
  };
}

async function scanText(bytes: RandomBytes, path: string, { signal }: CallOptions): Promise<Observation | undefined> {
  const text = await readText(bytes, signal);
  if (text === undefined) return undefined;
  if (/^\ufeff?\s*[[{]/.test(text.start)) {
    if (text.whole === undefined) return { kind: "json", problems: text.lambda ? [lambda] : [] };
    try {
      return scanJson(JSON.parse(text.whole));
    } catch {
      // Text of another kind that begins like JSON.
    }
  }
  const problem = scriptProblem(path, text.start);
  const kind = text.start.startsWith("tree\n") ? "lightgbm" : "text";
  return { kind, problems: problem === undefined ? [] : [{ rule: "script", problem }] };
}

const lambda: Problem = { rule: "lambda", problem: "has a layer of the class Lambda, which is code" };

async function scanOther(bytes: RandomBytes, head: Buffer): Promise<Observation | undefined> {
  const kind = otherKindOf(head);
  if (kind === undefined) return undefined;
  if (kind !== "hdf5") return { kind, problems: [] };
  // Keras keeps the model's JSON as one text in it.
  let before = "";
  for await (const piece of bytes.stream(0, bytes.sizeBytes)) {
    const text = before + piece.toString("latin1");
    if (/"class_name"\s*:\s*"(?:Lambda|__lambda__)"/.test(text)) return { kind, problems: [lambda] };
    before = text.slice(-64);
  }
  return { kind, problems: [] };
}

/** zlib has no mark worth the name: what can be decompressed is compressed. joblib writes so. */
function scanCompressed(head: Buffer): Observation | undefined {
  if (head[0] !== 0x78 || head.length < 16 || head.readUInt16BE(0) % 31 !== 0) return undefined;
  try {
    const content = inflateSync(head, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 1 << 24 });
    if (content.length < 16) return undefined;
  } catch {
    return undefined;
  }
  return { kind: "zlib file", problems: [{ rule: "archive", problem: "is compressed by zlib" }] };
}

/** A zip of NumPy's arrays, a Keras model, or one that PyTorch wrote; entries are looked at as files are. */
async function scanZip(bytes: RandomBytes, options: CallOptions, depth: number): Promise<Observation> {
  const problems: Problem[] = [];
  const names: string[] = [];
  try {
    for await (const { name, kind, body } of readZip(bytes, 10_000)) {
      options.signal?.throwIfAborted();
      if (kind === "folder") continue;
      names.push(name);
      if (depth >= 3) return { kind: "zip", problems: [{ rule: "archive", problem: "is a zip in zips in zips" }] };
      const { problems: found } = await scanFile(bytesInMemory(await beginning(body)), name, options, depth + 1);
      problems.push(
        ...found
          .slice(0, 5)
          .map(({ rule, problem }) => ({ rule, problem: `has the entry ${JSON.stringify(name)}, which ${problem}` })),
      );
      if (problems.length >= 20) break;
    }
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    problems.push({ rule: "archive", problem: `is a zip that is not plain: ${error.message}` });
  }
  const isArrays = names.length > 0 && names.every((name) => name.endsWith(".npy"));
  if (problems.length === 0 && !isArrays && !names.includes("config.json"))
    problems.push({ rule: "archive", problem: "is a zip" });
  return { kind: "zip", problems };
}

async function beginning(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    pieces.push(piece);
    if ((length += piece.length) >= mostEntryBytes) break;
  }
  return Buffer.concat(pieces);
}

/** Whether a reader that looks from the end, as those of zips do, finds one there. */
async function endsAsZip(bytes: RandomBytes): Promise<boolean> {
  const from = Math.max(0, bytes.sizeBytes - 22 - 0xffff);
  const tail = await bytes.at(from, bytes.sizeBytes - from);
  const at = tail.lastIndexOf("PK\x05\x06", tail.length - 22, "latin1");
  if (at === -1 || tail.length - at < 22) return false;
  const isPlausible = tail.readUInt32LE(at + 12) + tail.readUInt32LE(at + 16) <= from + at;
  return isPlausible && at + 22 + tail.readUInt16LE(at + 20) <= tail.length && tail.readUInt16LE(at + 10) > 0;
}
