export type {
  GrpcCall,
  GrpcLibrary,
  GrpcMetadataLike,
  GrpcMethod,
  GrpcServerLike,
  GrpcService,
} from "./grpc/grpc-library.ts";
export {
  type GrpcListenOptions,
  type GrpcListener,
  type GrpcServicesOptions,
  grpcServices,
  listenGrpc,
} from "./grpc/listen-grpc.ts";
