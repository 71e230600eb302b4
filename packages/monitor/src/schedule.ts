export { type CronOptions, type CronTimes, cronTimes } from "./schedule/cron-times.ts";
export {
  type MonitorSchedule,
  type MonitorScheduleOptions,
  type ScheduledRun,
  openMonitorSchedule,
} from "./schedule/monitor-schedule.ts";
