export { onlineStoreContract } from "./online-store.contract.ts";
