export type { AlertmanagerCallOptions, AlertmanagerTarget } from "./alertmanager/api.ts";
export { type PostableAlert, postableAlert, type PostableOptions } from "./alertmanager/postable-alert.ts";
export { createAlertmanagerSilences } from "./alertmanager/silences.ts";
export {
  type AlertmanagerSink,
  type AlertmanagerSinkOptions,
  type AlertmanagerStatus,
  openAlertmanagerSink,
} from "./alertmanager/sink.ts";
export { parseAlertmanagerWebhook, type WebhookAlert, type WebhookNotification } from "./alertmanager/webhook.ts";
