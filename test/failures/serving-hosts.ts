import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import * as hosting from "../../packages/serving/dist/hosts.js";
import type { ModelServer } from "../../packages/serving/dist/index.js";
import { type Subjects, well } from "./subjects.ts";

/** A request and a response that belong together, over no network. */
export function nodePair(): unknown[] {
  const request = new IncomingMessage(new Socket());
  request.method = "GET";
  request.url = "/ping";
  return [request, new ServerResponse(request)];
}

const socket: hosting.WebSocketLike = { bufferedAmount: 0, addEventListener: () => undefined, send: () => undefined };

/** What `@millwright/serving/hosts` exports. */
export function hosts(server: ModelServer): Subjects {
  return {
    lambdaHandler: well(hosting.lambdaHandler, () => [server.handle, { prefix: "/ml" }], {
      SERVING_REQUEST_INVALID: () => hosting.lambdaHandler(server.handle)({}),
    }),
    mountAt: well(hosting.mountAt, () => ["/ml", server.handle]),
    routeHandlers: well(hosting.routeHandlers, () => [server.handle, { prefix: "/ml" }]),
    webSocketHandler: well(
      (...given: Parameters<typeof hosting.webSocketHandler>) => hosting.webSocketHandler(...given)(socket),
      () => [server.handle, { maxInFlight: 4, maxBufferedBytes: 1_000 }],
    ),
  };
}
