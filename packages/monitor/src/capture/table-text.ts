import { type Batch, type JsonObject, encodeNumbers } from "@millwright/contracts";
import { toArray, type Value } from "@millwright/data";
import type { CapturedTable } from "./capture-writer.ts";
import { jsonOf, modelOf } from "./observe.ts";

/** The requests of a table as JSON lines, as `capturedRow` gives them: what does not change is made into text once. */
export function tableLines({ requestIds, timesMs, latenciesMs, rowCounts, ...table }: CapturedTable): string {
  const { endpoint, variant, model } = table;
  const who = JSON.stringify({ endpoint, variant, model: modelOf(model) } satisfies JsonObject).slice(1, -1);
  const features = columnsOf(table.features);
  const outputs = columnsOf(table.outputs);
  let lines = "";
  let from = 0;
  for (const [at, requestId] of requestIds.entries()) {
    const to = from + (rowCounts[at] as number);
    const times = `"timeMs":${text(timesMs[at] as number)},"latencyMs":${text(latenciesMs[at] as number)}`;
    lines += `{"formatVersion":1,"requestId":${JSON.stringify(requestId)},${who},${times},"features":{`;
    lines += `${cells(features, from, to)}},"outputs":{${cells(outputs, from, to)}}}\n`;
    from = to;
  }
  return lines;
}

interface TextColumn {
  /** Up to the first value. */
  readonly begin: string;
  readonly values: readonly Value[];
}

const columnsOf = ({ columns }: Batch): readonly TextColumn[] =>
  Object.entries(columns).map(([name, each], index) => ({
    begin: `${index === 0 ? "" : ","}${JSON.stringify(name)}:[`,
    values: toArray(each),
  }));

function cells(columns: readonly TextColumn[], from: number, to: number): string {
  let written = "";
  for (const { begin, values } of columns) {
    written += begin;
    for (let row = from; row < to; row += 1) written += (row === from ? "" : ",") + text(values[row] as Value);
    written += "]";
  }
  return written;
}

const text = (value: Value): string =>
  typeof value === "number" && Number.isFinite(value) && (value !== 0 || 1 / value > 0)
    ? String(value)
    : JSON.stringify(typeof value === "number" ? encodeNumbers(value) : jsonOf(value));
