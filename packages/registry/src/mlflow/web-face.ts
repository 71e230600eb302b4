import type { MlflowAnswer } from "./message.ts";
import type { Answer } from "./server.ts";

/** Answers a request of the web platform's own kind. */
export async function answerWeb(answer: Answer, request: Request, prefix: string): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const given = await answer({
    method: request.method,
    url: (pathname.startsWith(prefix) ? pathname.slice(prefix.length) : pathname) + search,
    headers: Object.fromEntries(request.headers),
    body: (request.body as AsyncIterable<Uint8Array> | null) ?? nothing(),
    signal: request.signal,
  });
  return toResponse(given);
}

const toResponse = ({ status, headers, body }: MlflowAnswer): Response =>
  new Response(typeof body === "string" ? body : streamOf(body), { status, headers });

function streamOf(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}

/** A body without bytes. */
async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}
