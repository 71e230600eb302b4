/** A server's refusal: both protocols answer `{ "error": text }`. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly status: number;

  constructor(path: string, status: number, body: string) {
    super(`${path} answered ${status}: ${errorOf(body)}`);
    this.status = status;
  }
}

function errorOf(body: string): string {
  try {
    const { error } = JSON.parse(body) as { readonly error?: unknown };
    return typeof error === "string" ? error : body;
  } catch {
    return body;
  }
}

/** Throws `RefusedError` where the status is not one of success. */
export async function accepted(path: string, answer: Response): Promise<Response> {
  if (!answer.ok) throw new RefusedError(path, answer.status, await answer.text());
  return answer;
}

export const post = (
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): RequestInit => ({ method: "POST", body, headers: { "content-type": "application/json", ...headers } });
