import type { MountedRoute } from "./answering.ts";
import { webBody } from "./body-source.ts";
import { type AnswerBody, type HttpAnswer, errorAnswer } from "./http-message.ts";
import { createRouteTable, findRoute } from "./route-table.ts";

/** The routes behind the web's own request and response, for whatever speaks those. */
export function webHandler(routes: readonly MountedRoute[]): (request: Request) => Promise<Response> {
  const table = createRouteTable(routes);
  return async (request) => {
    const answer = await answerWeb(request);
    const { status, headers } = answer;
    const body = request.method === "HEAD" ? null : bodyInit(answer.body);
    return new Response(body, { status, headers });
  };
  async function answerWeb(request: Request): Promise<HttpAnswer> {
    try {
      const { pathname, search } = new URL(request.url);
      const { route, params } = findRoute(table, request.method, pathname);
      return await route.answer({
        method: request.method,
        target: `${pathname}${search}`,
        params,
        headers: Object.fromEntries(request.headers),
        body: webBody(request.body as unknown as AsyncIterable<Uint8Array> | null),
        signal: request.signal,
      });
    } catch (error) {
      return errorAnswer(error);
    }
  }
}

type ResponseBody = ConstructorParameters<typeof Response>[0];

/** A stream that is pulled: nothing is made before the client wants it. */
function bodyInit(body: AnswerBody): ResponseBody {
  // An empty text would be said to be text/plain.
  if (body === "") return null;
  if (typeof body === "string" || body instanceof Uint8Array) return body as ResponseBody;
  const parts = body[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await parts.next();
        if (next.done === true) controller.close();
        else controller.enqueue(typeof next.value === "string" ? encoder.encode(next.value) : next.value);
      },
      async cancel() {
        await parts.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
