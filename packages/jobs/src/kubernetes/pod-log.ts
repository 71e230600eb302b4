import type { LogPart } from "../remote/cluster.ts";

/** Up to which line a log was read: its time, and how many lines of that time. */
interface Place {
  readonly time: string;
  readonly count: number;
}

export function placeOf(position: string | undefined): Place | undefined {
  const [time = "", count = "0"] = position?.split("#") ?? [];
  return time === "" ? undefined : { time, count: Number(count) };
}

/** From where the log is asked for: the API takes whole seconds. */
export const sinceOf = ({ time }: Place): string => time.replace(/\.\d+/, "");

/** The lines of a log with timestamps that come after a place in it. @param ended Whether the last line needs no line break. */
export async function* linesAfter(
  text: AsyncIterable<Uint8Array>,
  place: Place | undefined,
  ended: boolean,
): AsyncGenerator<LogPart> {
  const decoder = new TextDecoder();
  let pending = "";
  let time = "";
  let count = 0;
  const take = (line: string): LogPart | undefined => {
    const space = line.indexOf(" ");
    const stamp = space === -1 ? line : line.slice(0, space);
    count = stamp === time ? count + 1 : 1;
    time = stamp;
    if (place !== undefined && (stamp < place.time || (stamp === place.time && count <= place.count))) return undefined;
    return { stream: "stdout", line: space === -1 ? "" : line.slice(space + 1), position: `${time}#${count}` };
  };
  for await (const chunk of text) {
    pending += decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let end = pending.indexOf("\n"); end !== -1; end = pending.indexOf("\n", start)) {
      const part = take(pending.slice(start, end));
      start = end + 1;
      if (part !== undefined) yield part;
    }
    pending = pending.slice(start);
  }
  const last = ended && pending !== "" ? take(pending) : undefined;
  if (last !== undefined) yield last;
}
