export { type LambdaEvent, type LambdaOptions, type LambdaResult, lambdaHandler } from "./hosts/lambda.ts";
export {
  type RouteHandlers,
  type RouteHandlersOptions,
  type WebHandler,
  mountAt,
  routeHandlers,
} from "./hosts/mount-at.ts";
export {
  type UpgradeRequest,
  type WebSocketLike,
  type WebSocketOptions,
  webSocketHandler,
} from "./hosts/web-socket.ts";
