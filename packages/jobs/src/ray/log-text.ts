const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };

/**
 * The text that stands in `{"logs": "…"}`, as it comes: the log of a job is sent whole each time, and may be larger than a string can be.
 * @returns nothing where there is no text, as in `{"logs": null}`.
 */
export async function* logText(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let begun = false;
  let pending = "";
  for await (const chunk of body) {
    pending += decoder.decode(chunk, { stream: true });
    if (!begun) {
      const start = /^\s*\{\s*"logs"\s*:\s*"/.exec(pending);
      if (start === null) continue;
      begun = true;
      pending = pending.slice(start[0].length);
    }
    const { text, used, over } = unescape(pending);
    pending = pending.slice(used);
    if (text !== "") yield text;
    if (over) return;
  }
}

/** The text up to the closing quote, or to where an escape is not whole yet. */
function unescape(json: string): { readonly text: string; readonly used: number; readonly over: boolean } {
  let text = "";
  let position = 0;
  const special = /["\\]/g;
  for (;;) {
    special.lastIndex = position;
    const found = special.exec(json);
    if (found === null) return { text: text + json.slice(position), used: json.length, over: false };
    text += json.slice(position, found.index);
    if (found[0] === '"') return { text, used: found.index + 1, over: true };
    const letter = json[found.index + 1];
    const length = letter === "u" ? 6 : 2;
    if (letter === undefined || found.index + length > json.length) return { text, used: found.index, over: false };
    const code = json.slice(found.index + 2, found.index + 6);
    text += letter === "u" ? String.fromCharCode(Number.parseInt(code, 16)) : (escapes[letter] ?? letter);
    position = found.index + length;
  }
}

/** A line, and how many characters of the text there are up to its end. */
export interface PlacedLine {
  readonly line: string;
  readonly end: number;
}

const longestLine = 16 * 1024 * 1024;

/** The whole lines after the first `skip` characters; with `ended`, what follows the last line break is a line too. */
export async function* linesAfter(
  text: AsyncIterable<string>,
  skip: number,
  ended: boolean,
): AsyncGenerator<PlacedLine> {
  let place = 0;
  let pending = "";
  let dropped = 0;
  for await (const chunk of text) {
    const fresh = chunk.slice(Math.min(chunk.length, Math.max(0, skip - place)));
    place += chunk.length;
    if (fresh === "") continue;
    let from = 0;
    for (let end = fresh.indexOf("\n"); end !== -1; end = fresh.indexOf("\n", from)) {
      const line = pending + fresh.slice(from, end);
      pending = "";
      dropped = 0;
      from = end + 1;
      yield { line: line.endsWith("\r") ? line.slice(0, -1) : line, end: place - fresh.length + from };
    }
    const rest = fresh.slice(from);
    const room = Math.max(0, longestLine - pending.length);
    pending += rest.slice(0, room);
    dropped += rest.length - Math.min(rest.length, room);
  }
  if (ended && (pending !== "" || dropped > 0)) yield { line: pending, end: place };
}
