import { readFile } from "node:fs/promises";
import { expect } from "vitest";

/** [method, url, status, body of the request, body of the answer] of a real client and a real server: see `mlflow/record.mjs`. */
type Exchange = readonly [string, string, number, Body, Body];
type Body = { readonly base64: string } | Readonly<Record<string, unknown>> | null;

/** What no two servers give alike. */
const volatile = new Set(
  // The last three are of the newest server alone.
  "creation_time last_update_time creation_timestamp last_updated_timestamp creation_timestamp_ms last_updated_timestamp_ms message workspace sqlstate error_class".split(
    " ",
  ),
);
/** Of those the value is taken over into what is asked later. */
const identifying = new Set(["run_id", "run_uuid", "model_id", "next_page_token", "run_name"]);
const ownTags = new Set(["millwright.approval", "mlflow.experimentKind"]);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** What of an answer must be alike: what is not said, empty, or 0 is the same in this protocol; lists of pairs have no order. */
function plain(value: unknown): unknown {
  if (value === 1.7976931348623157e308) return "Infinity";
  if (value === -1.7976931348623157e308) return "-Infinity";
  // That server cuts long params; here nothing is lost.
  if (typeof value === "string") return value.startsWith("[{") ? plain(JSON.parse(value)) : value.slice(0, 6000);
  if (Array.isArray(value)) {
    const items = value.filter((each) => !isRecord(each) || !ownTags.has(String(each["key"]))).map(plain);
    return items.every((each) => isRecord(each) && typeof each["key"] === "string")
      ? items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : items;
  }
  if (!isRecord(value)) return value;
  const members = Object.entries(value)
    .filter(([name]) => !volatile.has(name))
    .map(([name, each]) => [name, plain(each)] as const)
    .filter(
      ([, each]) =>
        each !== "" && each !== null && each !== 0 && !(typeof each === "object" && Object.keys(each).length === 0),
    );
  return Object.fromEntries(members);
}

/** What is told here where that server leaves it out: of a version in a list, and of a logged model. */
const toldMore = new Set(["aliases", "registrations", "model_id"]);

function withoutMore(given: unknown, recorded: unknown): unknown {
  if (Array.isArray(given) && Array.isArray(recorded))
    return given.map((each, index) => withoutMore(each, recorded[index]));
  if (!isRecord(given) || !isRecord(recorded)) return given;
  const members = Object.entries(given).filter(([name]) => name in recorded || !toldMore.has(name));
  return Object.fromEntries(members.map(([name, each]) => [name, withoutMore(each, recorded[name])]));
}

/** Takes over what the other server called the same things. */
function learn(names: Map<string, string>, recorded: unknown, given: unknown): void {
  if (Array.isArray(recorded) && Array.isArray(given)) {
    for (const [index, each] of recorded.entries()) learn(names, each, given[index]);
    return;
  }
  if (!isRecord(recorded) || !isRecord(given)) return;
  for (const [name, each] of Object.entries(recorded)) {
    const own = given[name];
    if (identifying.has(name) && typeof each === "string" && typeof own === "string" && each.length > 8)
      names.set(each, own);
    learn(names, each, own);
  }
}

function translated(names: ReadonlyMap<string, string>, text: string): string {
  let result = text;
  for (const [recorded, own] of names) {
    result = result.replaceAll(recorded, own);
    result = result.replaceAll(encodeURIComponent(recorded), encodeURIComponent(own));
  }
  return result;
}

const bytesOf = (body: Body): Buffer | undefined =>
  isRecord(body) && typeof body["base64"] === "string" && Object.keys(body).length === 1
    ? Buffer.from(body["base64"], "base64")
    : undefined;

/** Says again what the client said. @returns the routes that were asked. */
export async function replay(origin: string, exchanges: readonly Exchange[]): Promise<Set<string>> {
  const names = new Map<string, string>();
  const routes = new Set<string>();
  for (const [method, url, status, request, recorded] of exchanges) {
    if (url.startsWith("/api/3.0/")) continue;
    routes.add(`${method} ${(url.split("?")[0] ?? "").replace(/(artifacts\/artifacts|logged-models)\/.*/, "$1/…")}`);
    const body = bytesOf(request) ?? (request === null ? undefined : translated(names, JSON.stringify(request)));
    const response = await fetch(origin + translated(names, url), {
      method,
      headers: body === undefined || method === "PUT" ? {} : { "content-type": "application/json" },
      ...(body === undefined
        ? method === "PUT"
          ? { body: "" }
          : {}
        : { body: body as NonNullable<RequestInit["body"]> }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const told = `${method} ${url}`;
    const isFile = method === "GET" && url.includes("/mlflow-artifacts/artifacts/");
    expect([told, response.status]).toEqual([told, status]);
    if (isFile && status === 200) {
      expect([told, bytes.equals(bytesOf(recorded) ?? Buffer.alloc(0))]).toEqual([told, true]);
      continue;
    }
    if (isFile || method === "PUT" || url.includes("get-download-uri")) continue;
    const given: unknown = JSON.parse(bytes.toString("utf8"));
    learn(names, recorded, given);
    const expected: unknown = JSON.parse(translated(names, JSON.stringify(recorded)));
    expect([told, withoutMore(plain(given), plain(expected))]).toEqual([told, plain(expected)]);
  }
  return routes;
}

/** What a client of the version and MLflow's own server said to each other. */
export async function recorded(version: 2 | 3): Promise<readonly Exchange[]> {
  const text = await readFile(new URL(`mlflow/wire-${version}.ndjson`, import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Exchange);
}
