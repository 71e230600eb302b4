import { endpointUnknown } from "../errors.ts";
import { type GrpcService, type GrpcStreamCall, type GrpcUnaryCall, grpcMethod } from "./grpc-library.ts";
import { type GrpcSite, callerOf, unary } from "./grpc-handlers.ts";
import { inferenceServiceName } from "./inference-service.ts";
import { healthCheckRequest, healthCheckResponse } from "./messages.ts";
import { endpointHealth } from "../protocols/open-inference-models.ts";
import { decode, encode } from "./wire.ts";

const serviceName = "grpc.health.v1.Health";
const serving = 1;
const notServing = 2;
const unknown = 3;

/** How often a watched state is looked at, milliseconds. */
const watchMs = 500;

/** `grpc.health.v1.Health`, as Kubernetes' probes ask it: for the server (`""`), its service, and each endpoint by name. */
export function healthService(site: GrpcSite): GrpcService {
  const { face } = site;
  const statusOf = (service: string): number | undefined => {
    const known = ["", inferenceServiceName, serviceName].includes(service);
    if (known) return face.ready ? serving : notServing;
    const endpoint = face.endpoints().find(({ name }) => name === service);
    if (endpoint === undefined) return undefined;
    return endpointHealth(face, endpoint).ready ? serving : notServing;
  };
  const check = unary({ ...site, open: true }, [healthCheckRequest, healthCheckResponse], ({ service }) => {
    const status = statusOf(service);
    if (status === undefined)
      throw endpointUnknown(
        service,
        face.endpoints().map(({ name }) => name),
      );
    return { status };
  });
  const watch = (call: GrpcStreamCall & GrpcUnaryCall): void => {
    void tellChanges(site, call, statusOf);
  };
  return {
    definition: {
      Check: grpcMethod(serviceName, "Check"),
      Watch: grpcMethod(serviceName, "Watch", "out"),
    },
    implementation: { Check: check, Watch: watch },
  };
}

/** The state now, and each time it changes, until the caller is gone. */
async function tellChanges(
  { clock }: GrpcSite,
  call: GrpcStreamCall & GrpcUnaryCall,
  statusOf: (service: string) => number | undefined,
): Promise<void> {
  const { signal } = callerOf(call, clock);
  try {
    const { service } = decode(healthCheckRequest, call.request);
    let told: number | undefined;
    while (!signal.aborted) {
      const status = statusOf(service) ?? unknown;
      if (status !== told) call.write(encode(healthCheckResponse, { status }));
      told = status;
      await clock.sleep(watchMs, { signal });
    }
  } catch {
    // The caller is gone, or what it sent is no message: there is nothing to watch.
  }
  call.end();
}
