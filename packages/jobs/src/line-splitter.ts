import { StringDecoder } from "node:string_decoder";

export interface LineSplitter {
  push(chunk: Uint8Array): void;
  /** Gives out what is left after the last line break, if anything. */
  end(): void;
}

/**
 * Cuts a stream of UTF-8 bytes into lines and holds at most `maxLength` characters of an unfinished one: of a longer line the beginning is
 * given out with `cut` true, and the rest is dropped. The line break, `\n` or `\r\n`, is not part of the line.
 */
export function createLineSplitter(maxLength: number, onLine: (line: string, cut: boolean) => void): LineSplitter {
  const decoder = new StringDecoder("utf8");
  let pending = "";
  let cut = false;
  const hold = (text: string): void => {
    const room = maxLength - pending.length;
    if (text.length > room) cut = true;
    pending += text.length > room ? text.slice(0, room) : text;
  };
  const finish = (): void => {
    const line = pending.endsWith("\r") ? pending.slice(0, -1) : pending;
    const wasCut = cut;
    pending = "";
    cut = false;
    onLine(line, wasCut);
  };
  const take = (text: string): void => {
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      hold(text.slice(start, end));
      finish();
      start = end + 1;
    }
    hold(text.slice(start));
  };
  return {
    push: (chunk) => take(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))),
    end() {
      take(decoder.end());
      if (pending !== "" || cut) finish();
    },
  };
}
