import { isRecord } from "./json.ts";
import { parseWorkerFrame, type WorkerFrame } from "../protocol.ts";
import { frameMark } from "./output-link.ts";

/** What stands among the lines of an attempt besides its own. */
export type OutputFrame =
  | WorkerFrame
  /** The beginning of `output/failure`. */
  | { readonly type: "written"; readonly text: string }
  | { readonly type: "exit"; readonly code: number; readonly overTime: boolean };

export interface ReadLine {
  /** What the job itself wrote on the line; undefined where it wrote nothing on a line that a frame ends. */
  readonly text: string | undefined;
  readonly frame: OutputFrame | undefined;
}

/** Parts a line of an attempt's output. What only looks like a frame is the job's own: no line can break the launcher. */
export function readLine(line: string, mark: string): ReadLine {
  const begin = frameMark(mark);
  const place = line.indexOf(begin);
  if (place === -1) return { text: line, frame: undefined };
  const frame = readFrame(line.slice(place + begin.length));
  if (frame === undefined) return { text: line, frame };
  return { text: place === 0 ? undefined : line.slice(0, place), frame };
}

function readFrame(text: string): OutputFrame | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) return undefined;
    if (value["type"] === "written" && typeof value["base64"] === "string") {
      const written = Buffer.from(value["base64"], "base64").toString("utf8").trimEnd();
      return { type: "written", text: written };
    }
    const { code } = value;
    if (value["type"] === "exit" && typeof code === "number")
      return { type: "exit", code, overTime: value["overTime"] === true };
    return parseWorkerFrame(text);
  } catch {
    return undefined;
  }
}
