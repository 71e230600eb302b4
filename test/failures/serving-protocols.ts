import * as grpc from "../../packages/serving/node_modules/@grpc/grpc-js/build/src/index.js";
import * as protocols from "../../packages/serving/dist/grpc.js";
import type { ModelServer } from "../../packages/serving/dist/index.js";
import { type Subjects, methods, well } from "./subjects.ts";

const signal = new AbortController().signal;

/** What `@millwright/serving/grpc` exports. */
export function protocolSubjects(server: ModelServer): Subjects {
  const listening = protocols.listenGrpc(server, { grpc, port: 0 });
  const open = async (...given: Parameters<typeof protocols.listenGrpc>): Promise<protocols.GrpcListener> => {
    const listener = await protocols.listenGrpc(...given);
    await listener.close();
    return listener;
  };
  return {
    grpcServices: well(protocols.grpcServices, () => [server, { grpc }], {
      TypeError: () => protocols.grpcServices({} as never, { grpc }),
    }),
    listenGrpc: well(
      open,
      () => [server, { grpc, port: 0, host: "127.0.0.1", maxMessageBytes: 1_000, signal }],
      { SERVING_PORT_BUSY: async () => open(server, { grpc, port: (await listening).port }) },
      30,
    ),
    ...methods("listenGrpc()", () => listening, { close: [() => [{ signal }], {}, 20] }),
  };
}
