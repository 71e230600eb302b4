export {
  type IoRedisClient,
  type NodeRedisClient,
  openRedisRecordStore,
  type RedisRecordStoreOptions,
} from "../records/redis-record-store.ts";
