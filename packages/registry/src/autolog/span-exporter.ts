import { type JsonValue, type MetricPoint, type RunHandle, hasCode } from "@millwright/contracts";

/** What is read of a finished span of `@opentelemetry/sdk-trace-base`. */
export interface FinishedSpan {
  readonly name: string;
  /** Seconds and nanoseconds. */
  readonly duration: readonly [number, number];
  readonly endTime: readonly [number, number];
  /** 2 is an error. */
  readonly status: { readonly code: number };
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly parentSpanContext?: { readonly spanId: string } | undefined;
  readonly parentSpanId?: string | undefined;
}

/** An exporter that `SimpleSpanProcessor` and `BatchSpanProcessor` take. */
export interface RunSpanExporter {
  export(spans: readonly FinishedSpan[], done: (result: { code: number; error?: Error }) => void): void;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

const errorStatus = 2;
const success = 0;
const failure = 1;

/**
 * Logs the spans of OpenTelemetry to a run: `new BatchSpanProcessor(spanExporter(run))`. Each finished span of a name is the next step of `span/<name>/ms`, its
 * duration in milliseconds, and of `span/<name>/error`, 0 or 1; attributes of spans without a parent are params `span/<name>/<attribute>`. The run is yours to end.
 */
export function spanExporter(run: RunHandle): RunSpanExporter {
  const steps = new Map<string, number>();
  const log = (span: FinishedSpan): void => {
    const step = steps.get(span.name) ?? 0;
    steps.set(span.name, step + 1);
    const timeMs = milliseconds(span.endTime);
    const point = (what: string, value: number): MetricPoint => ({
      name: `span/${span.name}/${what}`,
      value,
      step,
      timeMs,
    });
    run.logMetrics([
      point("ms", milliseconds(span.duration)),
      point("error", span.status.code === errorStatus ? 1 : 0),
    ]);
    if (span.parentSpanContext === undefined && span.parentSpanId === undefined) {
      const plain = Object.entries(span.attributes).filter(([, value]) => value !== undefined);
      run.logParams(Object.fromEntries(plain.map(([key, value]) => [`span/${span.name}/${key}`, value as JsonValue])));
    }
  };
  return {
    export(spans, done) {
      try {
        for (const span of spans) log(span);
        done({ code: success });
      } catch (error) {
        // The service that is traced goes on when the run has ended: what it does then is not the run's.
        if (hasCode(error, "REGISTRY_RUN_ENDED")) done({ code: success });
        else done({ code: failure, error: error instanceof Error ? error : new TypeError(String(error)) });
      }
    },
    forceFlush: () => run.flush(),
    shutdown: () => run.flush(),
  };
}

const milliseconds = ([seconds, nanoseconds]: readonly [number, number]): number => seconds * 1e3 + nanoseconds / 1e6;
