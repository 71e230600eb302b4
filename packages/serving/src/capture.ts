export {
  type DataCapture,
  type DataCaptureCounts,
  type DataCaptureOptions,
  openDataCapture,
} from "./capture/data-capture.ts";
export { type RedactionRule, type RedactorOptions, createRedactor } from "./capture/redactor.ts";
export { type TokenVault, createTokenVault } from "./capture/token-vault.ts";
export type { Exchange, ExchangeSink } from "./http/exchange.ts";
