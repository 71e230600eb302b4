import { type FileHandle, open } from "node:fs/promises";
import { openLineageInvalid } from "../errors.ts";
import type { Registry } from "../registry.ts";
import { parseOpenLineageEvent } from "./parse-event.ts";
import type { ReceiveOptions, ReceivedLineage } from "./received-lineage.ts";

/** Events that are kept in one transaction. */
const eventsAtOnce = 500;

/**
 * Keeps the events of a file with one JSON to a line, as `fileTransport` and other clients' file transports write them. A last line that a crash cut short is passed over. Importing again
 * what was imported changes nothing. Throws `REGISTRY_OPENLINEAGE_INVALID` with the line; what stands some hundred lines before it is kept.
 */
export async function importLineageFile(
  registry: Pick<Registry, "receiveLineage">,
  path: string,
  { by, signal }: ReceiveOptions = {},
): Promise<ReceivedLineage> {
  signal?.throwIfAborted();
  let total: ReceivedLineage = { received: 0, known: 0 };
  const keep = async (events: readonly unknown[]): Promise<void> => {
    const { received, known } = await registry.receiveLineage(events, { by, signal });
    total = { received: total.received + received, known: total.known + known };
  };
  const file = await open(path);
  try {
    let waiting: unknown[] = [];
    for await (const event of eventsOf(file, path)) {
      signal?.throwIfAborted();
      waiting.push(event);
      if (waiting.length < eventsAtOnce) continue;
      await keep(waiting);
      waiting = [];
    }
    if (waiting.length > 0) await keep(waiting);
    return total;
  } finally {
    await file.close();
  }
}

async function* eventsOf(file: FileHandle, path: string): AsyncGenerator<unknown, void, undefined> {
  let broken: number | undefined;
  let number = 0;
  for await (const line of file.readLines({ autoClose: false })) {
    number += 1;
    // Only the last line can be cut short.
    if (broken !== undefined) throw openLineageInvalid(`line ${broken} of ${path}`, "it is no JSON");
    if (line.trim() === "") continue;
    const event = parsed(line);
    if (event === undefined) broken = number;
    else yield checked(event, `line ${number} of ${path}`);
  }
}

/** `undefined`: it is no JSON. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function checked(event: unknown, place: string): unknown {
  try {
    return parseOpenLineageEvent(event);
  } catch (error) {
    throw openLineageInvalid(place, error instanceof Error ? error.message : String(error));
  }
}
