import type { Prediction } from "../engine/prediction.ts";
import { bodyInvalid, bodyTooLarge } from "../errors.ts";
import { type HttpAnswer, errorAnswer, parseJson } from "../http/http-message.ts";
import { eventsText, linesText, predictionTexts } from "./write-content.ts";

export interface StreamedLines {
  /** The body, piece by piece. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Most bytes of one line. */
  readonly maxLineBytes: number;
  /** Most rows that are asked at once. */
  readonly maxRows: number;
  /** Whether answers are server-sent events. */
  readonly events: boolean;
  readonly type: string;
  ask(instances: readonly unknown[]): Promise<Prediction>;
  headersOf(first: Prediction): Readonly<Record<string, string>>;
}

/**
 * Answers rows while they come, in order: what has arrived is asked at once, and nothing more is read before its answers are taken. The first rows decide
 * the status; what goes wrong later is the last line, an object with `error` and `code`.
 */
export async function streamLines(options: StreamedLines): Promise<HttpAnswer> {
  const { events, type, headersOf } = options;
  const batches = batchesOf(options);
  const first = await batches.next();
  if (first.done === true) throw bodyInvalid("it has no lines");
  const answer = await options.ask(first.value);
  const written = (rows: readonly string[]): string => (events ? eventsText(rows) : linesText(rows));
  async function* body(): AsyncGenerator<string, void> {
    try {
      yield written(predictionTexts(answer.outputs));
      for await (const batch of batches) yield written(predictionTexts((await options.ask(batch)).outputs));
    } catch (error) {
      const text = errorAnswer(error).body;
      yield events ? `event: error\ndata: ${text}\n\n` : `${text}\n`;
    }
  }
  return { status: 200, headers: { "content-type": type, ...headersOf(answer) }, body: body() };
}

/** Rows of JSON by what arrived together. Throws `SERVING_BODY_INVALID`, `SERVING_BODY_TOO_LARGE`. */
async function* batchesOf({ chunks, maxLineBytes, maxRows }: StreamedLines): AsyncGenerator<readonly unknown[], void> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  let line = 0;
  const rowsOf = (lines: readonly string[]): unknown[] =>
    lines.flatMap((text) => {
      line += 1;
      return text.trim() === "" ? [] : [parsed(text, line)];
    });
  for await (const chunk of chunks) {
    rest += decoded(decoder, chunk);
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > maxLineBytes) throw bodyTooLarge(maxLineBytes);
    const rows = rowsOf(lines);
    for (let at = 0; at < rows.length; at += maxRows) yield rows.slice(at, at + maxRows);
  }
  const last = rowsOf([rest + decoded(decoder)]);
  if (last.length > 0) yield last;
}

function parsed(text: string, line: number): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw bodyInvalid(`its line ${line} is not JSON`, undefined, error);
  }
}

function decoded(decoder: InstanceType<typeof TextDecoder>, chunk?: Uint8Array): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (error) {
    throw bodyInvalid("it is not UTF-8", undefined, error);
  }
}
