import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { CallOptions, ModelSignature } from "@millwright/contracts";
import { signatureUnreadable } from "./client-errors.ts";
import { generateClient, schemaLine } from "./generate-client.ts";
import { type ClientFetch, httpSite } from "./http-asking.ts";
import { openInference } from "./open-inference-client.ts";
import { signatureOfManifest } from "./signature-reading.ts";
import { tensorFlowServing } from "./tensorflow-client.ts";

/** The command line is not understood; its message tells why. */
export class UsageError extends Error {}

export const usage = `millwright-client: writes a TypeScript client that is typed by a model's signature

  millwright-client --manifest DIRECTORY|FILE [--name NAME] [--out FILE]
  millwright-client --url http://host:8080 --model NAME [--version V] [--protocol open-inference|tensorflow] [--out FILE]

  --manifest PATH   a model package, its manifest.json, or a JSON file with inputs and outputs
  --url URL         a server: its /v2/models/NAME, or with --protocol tensorflow its /v1/models/NAME/metadata
  --model NAME      the model there; --version V one of its versions
  --header "N: V"   sent to the server, as often as there are headers
  --name NAME       how the client is called (default: the model's name)
  --import FROM     where the module imports from (default: @millwright/serving/clients)
  --out FILE        where it is written (default: it is printed)
  --check           writes nothing, and exits with 1 where FILE is for another signature`;

export interface ClientCommandIo extends CallOptions {
  readonly print: (text: string) => void;
  readonly fetch?: ClientFetch | undefined;
}

interface Source {
  readonly name: string;
  readonly from: string;
  readonly signature: ModelSignature;
}

/** @returns the exit code. Throws `UsageError`, `SERVING_CLIENT_SIGNATURE_INVALID`, and what the server's protocol throws. */
export async function clientCommand(args: readonly string[], io: ClientCommandIo): Promise<number> {
  const { values } = parsed(args);
  if (values.help === true) {
    io.print(usage);
    return 0;
  }
  const { manifest, out } = values;
  if (manifest !== undefined && values.url !== undefined)
    throw new UsageError("--manifest and --url exclude each other.");
  const source = manifest !== undefined ? await ofManifest(manifest, io) : await ofServer(values, io);
  const text = generateClient(source.signature, {
    name: values.name ?? source.name,
    from: source.from,
    importFrom: values.import,
  });
  if (values.check === true) {
    if (out === undefined) throw new UsageError("--check compares with --out.");
    const written = await readFile(out, { encoding: "utf8", signal: io.signal }).catch(() => undefined);
    // By its signature, not by its text: whoever generates formats it too.
    if (written?.includes(schemaLine(source.signature)) === true) return 0;
    io.print(`${out} is not for the signature that ${source.name} has now: generate it again.`);
    return 1;
  }
  if (out === undefined) io.print(text.trimEnd());
  else await writeFile(out, text, { signal: io.signal });
  return 0;
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        manifest: { type: "string" },
        url: { type: "string" },
        model: { type: "string" },
        version: { type: "string" },
        protocol: { type: "string", default: "open-inference" },
        header: { type: "string", multiple: true, default: [] },
        name: { type: "string" },
        import: { type: "string" },
        out: { type: "string" },
        check: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

type Values = ReturnType<typeof parsed>["values"];

async function ofManifest(path: string, { signal }: CallOptions): Promise<Source> {
  const file = path.endsWith(".json") ? path : join(path, "manifest.json");
  let manifest: unknown;
  try {
    manifest = JSON.parse(await readFile(file, { encoding: "utf8", signal }));
  } catch (error) {
    signal?.throwIfAborted();
    throw signatureUnreadable(file, error instanceof Error ? error.message : String(error), error);
  }
  const { name } = (manifest ?? {}) as { readonly name?: unknown };
  const named = typeof name === "string" ? name : "model";
  return { name: named, from: `the signature of ${named}`, signature: signatureOfManifest(file, manifest) };
}

async function ofServer(values: Values, { signal, fetch }: ClientCommandIo): Promise<Source> {
  const { url, model, version, protocol } = values;
  if (url === undefined || model === undefined) throw new UsageError("Give --manifest, or --url and --model.");
  const headers = Object.fromEntries((values.header ?? []).map(headerOf));
  const options = { url, model, version, headers, fetch };
  try {
    httpSite(options);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (protocol !== "open-inference" && protocol !== "tensorflow")
    throw new UsageError(`--protocol is open-inference or tensorflow, not ${protocol}.`);
  const asked = protocol === "tensorflow" ? tensorFlowServing(options) : openInference(options);
  const signature = await asked.describe?.({ signal });
  if (signature === undefined) throw signatureUnreadable(asked.where, "its protocol tells none");
  // Not where: the same model on another server gives the same client.
  return { name: model, from: `the signature of ${model}`, signature };
}

function headerOf(text: string): readonly [string, string] {
  const at = text.indexOf(":");
  if (at < 1) throw new UsageError(`--header is "name: value", not "${text}".`);
  return [text.slice(0, at).trim().toLowerCase(), text.slice(at + 1).trim()];
}
