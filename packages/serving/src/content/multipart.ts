import { bodyInvalid } from "../errors.ts";
import type { HttpRequest } from "../http/http-message.ts";

export interface MultipartPart {
  readonly name: string;
  /** Its content type; what its file name says where it says none. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

const typesByEnding: Readonly<Record<string, string>> = {
  csv: "text/csv",
  json: "application/json",
  jsonl: "application/jsonlines",
  ndjson: "application/x-ndjson",
  npy: "application/x-npy",
  npz: "application/x-npz",
  arrow: "application/vnd.apache.arrow.stream",
  arrows: "application/vnd.apache.arrow.stream",
};

/** The parts of a form. Throws `SERVING_BODY_INVALID`. */
export async function multipartParts({
  body,
  headers,
}: Pick<HttpRequest, "body" | "headers">): Promise<readonly MultipartPart[]> {
  let form: FormData;
  try {
    const type = headers["content-type"] ?? "";
    form = await new Response(body as Uint8Array<ArrayBuffer>, { headers: { "content-type": type } }).formData();
  } catch (error) {
    throw bodyInvalid("it is no form of parts", "Send multipart/form-data with its boundary.", error);
  }
  const parts: MultipartPart[] = [];
  for (const [name, value] of form) {
    if (typeof value === "string") parts.push({ name, type: "application/json", bytes: Buffer.from(value) });
    else {
      const ending = /\.([a-z]+)$/i.exec(value.name)?.[1]?.toLowerCase() ?? "";
      const given = value.type === "" || value.type === "application/octet-stream" ? typesByEnding[ending] : value.type;
      parts.push({ name, type: given ?? "application/json", bytes: new Uint8Array(await value.arrayBuffer()) });
    }
  }
  return parts;
}

const boundary = "millwright-7c9e2f41a80b4d6e";

/** Files as a form, a part for each, and its content type. */
export function writeMultipart(
  files: readonly { readonly name: string; readonly file: string; readonly type: string; readonly bytes: Uint8Array }[],
): { readonly type: string; readonly body: Uint8Array } {
  const quoted = (text: string): string => text.replace(/["\r\n]/g, (character) => encodeURIComponent(character));
  const parts = files.flatMap(({ name, file, type, bytes }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"; filename="${quoted(file)}"\r\nContent-Type: ${type}\r\n\r\n`,
    ),
    bytes,
    Buffer.from("\r\n"),
  ]);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
  };
}
