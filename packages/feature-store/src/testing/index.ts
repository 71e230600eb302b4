export {
  type AdapterAbility,
  adapterSkip,
  type FeatureAdapterCase,
  type FeatureAdapterFixture,
} from "./adapter-fixture.ts";
export { ADAPTER_NOW_MS, adapterRows, adapterServices } from "./adapter-features.ts";
export { featureAdapterContract } from "./feature-adapter.contract.ts";
export { keyedOnlineStoreContract } from "./keyed-online-store.contract.ts";
export { onlineStoreContract } from "./online-store.contract.ts";
