import { createHash } from "node:crypto";
import type { LineageReference } from "../lineage/lineage-types.ts";
import type { OpenLineageName } from "./event-types.ts";

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The namespace of URLs, of RFC 9562, part 6.6. */
const urlNamespace = Buffer.from("6ba7b8119dad11d180b400c04fd430c8", "hex");

/**
 * What a run, a trial, a job or an action is called in OpenLineage, where every run is a UUID: its own id if it is one, else that of 32 hexadecimal digits with dashes, else the
 * name-based one (RFC 9562, version 5) of `millwright:<kind>/<id>` in the namespace of URLs.
 */
export function openLineageRunId({ kind, id }: Pick<LineageReference, "kind" | "id">): string {
  if (uuid.test(id)) return id.toLowerCase();
  if (/^[0-9a-f]{32}$/i.test(id)) return dashed(id.toLowerCase());
  const bytes = createHash("sha1").update(urlNamespace).update(`millwright:${kind}/${id}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return dashed(bytes.toString("hex"));
}

export const isUuid = (text: string): boolean => uuid.test(text);

const dashed = (hex: string): string =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");

/** The id in lineage of what others call by namespace and name: both, with a blank between them; blanks and per cent signs of the namespace are escaped, so that no two are alike. */
export const openLineageId = ({ namespace, name }: OpenLineageName): string =>
  `${namespace.replaceAll("%", "%25").replaceAll(" ", "%20")} ${name}`;

/** The id in lineage of a column of a dataset: the last `#` stands between them. */
export const openLineageColumnId = (dataset: OpenLineageName, column: string): string =>
  `${openLineageId(dataset)}#${column.replaceAll("%", "%25").replaceAll("#", "%23")}`;

/**
 * Namespace and name of what an address leads to, by OpenLineage's naming: `s3://bucket` and the key, `file` and the path, `postgres://host:port` and `database.schema.table`.
 * `undefined` for what is no address.
 * @see https://openlineage.io/docs/spec/naming
 */
export function datasetNameOf(source: string): OpenLineageName | undefined {
  if (/^(?:\/|[A-Za-z]:[\\/])/.test(source)) return { namespace: "file", name: source };
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)/i.exec(source);
  if (match === null) return undefined;
  const [, scheme = "", place = "", path = ""] = match;
  const kind = schemes[scheme.toLowerCase()];
  // Who may read it is no part of its name.
  const authority = kind?.keepsUser === true ? place : place.slice(place.lastIndexOf("@") + 1);
  const name = unescaped(path);
  if (scheme.toLowerCase() === "file") return { namespace: authority === "" ? "file" : `file://${authority}`, name };
  const namespace = `${kind?.scheme ?? scheme.toLowerCase()}://${withPort(authority, kind?.port)}`;
  const inside = kind?.keepsSlash === true ? name : name.replace(/^\/+/, "");
  if (inside === "" || inside === "/") return undefined;
  return { namespace, name: kind?.port === undefined ? inside : inside.replaceAll("/", ".") };
}

interface Scheme {
  readonly scheme: string;
  /** Of databases: the port that is meant where none is given. */
  readonly port?: number;
  readonly keepsSlash?: boolean;
  readonly keepsUser?: boolean;
}

const schemes: Readonly<Record<string, Scheme>> = {
  s3: { scheme: "s3" },
  s3a: { scheme: "s3" },
  s3n: { scheme: "s3" },
  gs: { scheme: "gs" },
  abfss: { scheme: "abfss", keepsSlash: true, keepsUser: true },
  wasbs: { scheme: "wasbs", keepsUser: true },
  hdfs: { scheme: "hdfs", keepsSlash: true },
  dbfs: { scheme: "dbfs", keepsSlash: true },
  kafka: { scheme: "kafka" },
  postgres: { scheme: "postgres", port: 5432 },
  postgresql: { scheme: "postgres", port: 5432 },
  mysql: { scheme: "mysql", port: 3306 },
  trino: { scheme: "trino", port: 8080 },
  mssql: { scheme: "mssql", port: 1433 },
};

const withPort = (authority: string, port: number | undefined): string =>
  port === undefined || /:\d+$/.test(authority) ? authority : `${authority}:${port}`;

function unescaped(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
