export { keyedOnlineStoreContract } from "./keyed-online-store.contract.ts";
export { onlineStoreContract } from "./online-store.contract.ts";
