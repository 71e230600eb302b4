import { csvCell, parseCsv } from "../http/csv.ts";
import { mediaType } from "../http/http-message.ts";
import { transformInvalid } from "./errors.ts";
import { type JsonPath, parseJsonPath } from "./json-path.ts";
import { type JsonText, parseJsonText, writeJsonText } from "./json-text.ts";
import { csvEnds, isBlank, lineEnds, withoutLineEnd } from "./line-ends.ts";

/** How records are written in a content type; `bytes` is all that is not taken apart here. */
export type RecordFormat = "csv" | "lines" | "json" | "bytes";

const formats: Readonly<Record<string, RecordFormat>> = {
  "text/csv": "csv",
  "application/jsonlines": "lines",
  "application/jsonl": "lines",
  "application/x-jsonlines": "lines",
  "application/x-ndjson": "lines",
  "application/json": "json",
};

export const formatOf = (contentType: string | undefined): RecordFormat => formats[mediaType(contentType)] ?? "bytes";

/** Which part of a record the model sees, and what is written of it beside the answer; as SageMaker's `DataProcessing`. */
export interface DataProcessing {
  /** Default: `"$"`, all. */
  readonly inputFilter?: string | undefined;
  /** Default: `"None"`, the answer alone. */
  readonly joinSource?: "None" | "Input" | undefined;
  /** Of the answer, or of what it was joined with. Default: `"$"`. */
  readonly outputFilter?: string | undefined;
}

/** What is done to each record before the model and after it. */
export interface RecordProcessing {
  /** Absent where records go to the model as they are. Throws RangeError and SyntaxError in words. */
  readonly input?: ((record: string) => string) | undefined;
  /** Absent where answers are written as they are. Throws RangeError and SyntaxError in words. */
  readonly output?: ((record: string, answer: string) => string) | undefined;
}

/** Throws `SERVING_TRANSFORM_INVALID`. */
export function createRecordProcessing(
  { inputFilter = "$", joinSource = "None", outputFilter = "$" }: DataProcessing,
  contentType: string,
  accept: string | undefined,
): RecordProcessing {
  const before = parseJsonPath("inputFilter", inputFilter);
  const after = parseJsonPath("outputFilter", outputFilter);
  const joined = joinSource === "Input";
  const formatIn = formatOf(contentType);
  const formatOut = formatOf(accept ?? contentType);
  if (!before.isRoot) checkPath("inputFilter", before, formatIn);
  if (!after.isRoot) checkPath("outputFilter", after, formatOut);
  if (joined && (formatIn === "bytes" || (formatIn === "csv") !== (formatOut === "csv") || formatOut === "bytes"))
    throw transformInvalid(
      `what is ${contentType} is not joined with answers of ${accept ?? contentType}`,
      "Join CSV with CSV, or JSON with JSON.",
    );
  return {
    input: before.isRoot
      ? undefined
      : (record) => (formatIn === "csv" ? filterCsv(record, before) : filterJson(record, before)),
    output:
      !joined && after.isRoot
        ? undefined
        : (record, answer) =>
            formatOut === "csv"
              ? joinCsv(joined ? record : undefined, answer, after)
              : joinJson(joined ? record : undefined, answer, after),
  };
}

function checkPath(option: string, path: JsonPath, format: RecordFormat): void {
  if (format === "bytes")
    throw transformInvalid(`\`${option}\` filters JSON and CSV alone`, "Leave it out for other content types.");
  if (format === "csv" && !path.byIndex)
    throw transformInvalid(
      `\`${option}\` is ${path.text}, and rows of CSV have no names`,
      'Filter them by place: "$[1:]".',
    );
}

/** The cells of one record of CSV; their text as it is, so that numbers are not written anew. */
const cellsOf = (record: string): readonly string[] => parseCsv(record)[0] ?? [""];

const listOf = (cells: readonly string[]): JsonText => ({
  kind: "list",
  items: cells.map((text) => ({ kind: "scalar", text })),
});

/** What was taken of a row: its cells, whose texts are no JSON. */
function rowOf(value: JsonText): string {
  if (value.kind === "list")
    return value.items.map((item) => csvCell(item.kind === "scalar" ? item.text : "")).join(",");
  return csvCell(value.kind === "scalar" ? value.text : "");
}

const filterCsv = (record: string, path: JsonPath): string => rowOf(path.select(listOf(cellsOf(record))));

const filterJson = (record: string, path: JsonPath): string => writeJsonText(path.select(parseJsonText(record)));

function joinCsv(record: string | undefined, answer: string, path: JsonPath): string {
  // Neither side is written anew where all of it is wanted.
  if (path.isRoot) return record === undefined ? answer : `${record},${answer}`;
  const cells = record === undefined ? cellsOf(answer) : [...cellsOf(record), ...cellsOf(answer)];
  return rowOf(path.select(listOf(cells)));
}

function joinJson(record: string | undefined, answer: string, path: JsonPath): string {
  const out = parseJsonText(answer);
  if (record === undefined) return writeJsonText(path.select(out));
  const given = parseJsonText(record);
  const members =
    given.kind === "object"
      ? [...[...given.members].filter(([name]) => name !== "SageMakerOutput"), ["SageMakerOutput", out] as const]
      : ([
          ["SageMakerInput", given],
          ["SageMakerOutput", out],
        ] as const);
  return writeJsonText(path.select({ kind: "object", members: new Map(members) }));
}

/**
 * The answer of each of `records` records, without line ends; `undefined` where the body does not fall into as many. A body for one record that is no
 * list is its answer.
 */
export function answersOf(body: Buffer, format: RecordFormat, records: number): readonly string[] | undefined {
  if (format === "json") return jsonAnswers(body.toString("utf8"), records);
  if (format === "bytes") return records === 1 ? [body.toString("utf8")] : undefined;
  const answers: string[] = [];
  let start = 0;
  for (const end of (format === "csv" ? csvEnds : lineEnds)(body, true).ends) {
    if (!isBlank(body, start, end)) answers.push(withoutLineEnd(body.subarray(start, end)).toString("utf8"));
    start = end;
  }
  return answers.length === records ? answers : undefined;
}

function jsonAnswers(text: string, records: number): readonly string[] | undefined {
  const value = parseJsonText(text);
  const list = value.kind === "object" && value.members.size === 1 ? value.members.get("predictions") : value;
  if (list?.kind === "list" && list.items.length === records) return list.items.map(writeJsonText);
  return records === 1 ? [text.trim()] : undefined;
}

/** How many records a body has, where its format tells. */
export function countAnswers(body: Buffer, format: RecordFormat): number | undefined {
  if (format !== "csv" && format !== "lines") return undefined;
  let count = 0;
  let start = 0;
  for (const end of (format === "csv" ? csvEnds : lineEnds)(body, true).ends) {
    if (!isBlank(body, start, end)) count += 1;
    start = end;
  }
  return count;
}
