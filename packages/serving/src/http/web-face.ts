import { bodyTooLarge, routeUnknown } from "../errors.ts";
import { type HttpAnswer, type HttpRoute, errorAnswer } from "./http-message.ts";

/** The routes behind the web's own request and response, for whatever speaks those. */
export function webHandler(
  routes: readonly HttpRoute[],
  maxBodyBytes: number,
): (request: Request) => Promise<Response> {
  const compiled = routes.map((route) => ({ route, parts: route.path.split("/") }));
  return async (request) => {
    let answer: HttpAnswer;
    try {
      const { pathname } = new URL(request.url);
      const parts = pathname.replace(/\/$/, "").split("/");
      const found = compiled.find(
        ({ route, parts: pattern }) => route.method === request.method && matches(pattern, parts),
      );
      if (found === undefined) throw routeUnknown(request.method, pathname);
      answer = await found.route.handle({
        params: paramsOf(found.parts, parts),
        headers: Object.fromEntries(request.headers),
        body: await readBody(request, maxBodyBytes),
        signal: request.signal,
      });
    } catch (error) {
      answer = errorAnswer(error);
    }
    const { status, headers, body } = answer;
    return new Response(body, { status, headers });
  };
}

const matches = (pattern: readonly string[], parts: readonly string[]): boolean =>
  pattern.length === parts.length && pattern.every((each, at) => each.startsWith(":") || each === parts[at]);

function paramsOf(pattern: readonly string[], parts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pattern.flatMap((each, at) => (each.startsWith(":") ? [[each.slice(1), decoded(parts[at] ?? "")]] : [])),
  );
}

/** A part of a path that is not well encoded stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function readBody({ body }: Request, maxBodyBytes: number): Promise<Uint8Array> {
  if (body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
