import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import * as hosting from "../../packages/serving/dist/hosts.js";
import * as serving from "../../packages/serving/dist/index.js";
import { type Subjects, well } from "./subjects.ts";

/** A request and a response that belong together, over no network. */
export function nodePair(): unknown[] {
  const request = new IncomingMessage(new Socket());
  request.method = "GET";
  request.url = "/ping";
  return [request, new ServerResponse(request)];
}

const socket: hosting.WebSocketLike = { bufferedAmount: 0, addEventListener: () => undefined, send: () => undefined };

/** What `@millwright/serving/hosts` exports, and what checks requests. */
export function hosts(server: serving.ModelServer): Subjects {
  return {
    inputRules: well(serving.inputRules, () => [
      { ranges: { distance: { min: 0, max: 1 } }, margin: 0.1, unknownColumns: "refuse" },
    ]),
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
