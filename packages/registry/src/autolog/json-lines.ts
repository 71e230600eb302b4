import type { CallOptions, JsonValue, RunHandle } from "@millwright/contracts";
import { numbersOf } from "./numbers-of.ts";

export interface JsonLinesOptions extends CallOptions {
  /** Members of a line that give the step, the first that is there counts; a line without one has the number of its lines before. Default: `step`, `epoch`, `iteration`. */
  readonly stepKeys?: readonly string[] | undefined;
  /** Told of lines that are no JSON objects, such as prints; they are otherwise passed over. */
  readonly onOther?: ((line: string) => void) | undefined;
  /** Longest line, in characters; a longer one is passed over. Default: 1000000. */
  readonly longestLine?: number | undefined;
}

export interface JsonLinesReport {
  /** Lines that were logged. */
  readonly logged: number;
  /** Lines that were passed over. */
  readonly other: number;
}

const defaultStepKeys = ["step", "epoch", "iteration"] as const;

/**
 * Logs what a child process in any language prints, a JSON object a line: numbers are metrics (nested ones as `a/b`), `params: {…}` are parameters, and
 * everything else is passed over. `logJsonLines(run, child.stdout)` resolves when the output ends.
 */
export async function logJsonLines(
  run: RunHandle,
  output: AsyncIterable<string | Uint8Array>,
  { stepKeys = defaultStepKeys, onOther, longestLine = 1_000_000, signal }: JsonLinesOptions = {},
): Promise<JsonLinesReport> {
  let logged = 0;
  let other = 0;
  for await (const line of linesOf(output, longestLine)) {
    signal?.throwIfAborted();
    const record = line === undefined ? undefined : parseObject(line);
    if (record === undefined) {
      other += 1;
      if (line !== undefined && line.trim() !== "") onOther?.(line);
      continue;
    }
    logRecord(run, record, stepKeys, logged);
    logged += 1;
  }
  await run.flush({ signal });
  return { logged, other };
}

function logRecord(
  run: RunHandle,
  record: Readonly<Record<string, unknown>>,
  stepKeys: readonly string[],
  count: number,
): void {
  const { params, ...rest } = record;
  if (typeof params === "object" && params !== null && !Array.isArray(params))
    run.logParams(params as Readonly<Record<string, JsonValue>>);
  const key = stepKeys.find((each) => Number.isSafeInteger(rest[each]));
  const step = key === undefined ? count : (rest[key] as number);
  const metrics = [...numbersOf(rest)].filter(([name]) => !stepKeys.includes(name) && name !== "");
  if (metrics.length > 0) run.logMetrics(metrics.map(([name, value]) => ({ name, value, step })));
}

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.trimStart().startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

/** @yields undefined for a line that is too long. */
async function* linesOf(
  output: AsyncIterable<string | Uint8Array>,
  longest: number,
): AsyncGenerator<string | undefined, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  let isTooLong = false;
  for await (const chunk of output) {
    const lines = (rest + (typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true }))).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      yield isTooLong || line.length > longest ? undefined : line;
      isTooLong = false;
    }
    if (rest.length > longest) {
      isTooLong = true;
      rest = "";
    }
  }
  rest += decoder.decode();
  if (isTooLong) yield undefined;
  else if (rest !== "") yield rest;
}
