// Detection delay at equal false alarms, of our detectors and of river's: node benchmarks/monitor/streams.mjs FOLDER, with one file of peers/river_streams.py for each stream, STREAM.jsonl.
// River's detectors run in our code, which detects where they do (packages/monitor/test/river-detectors.test.ts). Every detector's one threshold is set on calibration streams
// without drift; false alarms and delays are those of other streams. With names behind the folder, only those streams are run and their figures kept in FOLDER/STREAM.figures.json;
// without, the tables are printed from what is kept, and what is missing is run.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "../../packages/contracts/dist/index.js";
import * as detectors from "../../packages/monitor/dist/detectors.js";

const wanted = 5000;
const folder = process.argv[2];
const chosen = process.argv.slice(3);
const names = chosen.length > 0 ? chosen : ["sea", "agrawal", "hyperplane", "led", "sine"];

const load = (name) =>
  readFileSync(join(folder, `${name}.jsonl`), "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const { bits, confidences, losses, length, ...rest } = JSON.parse(line);
      const [errors, sure, loss] = [bits, confidences, losses].map((text) => Buffer.from(text, "base64"));
      const seen = Array.from({ length }, (_, index) => ({
        error: (errors[index >> 3] >> (index & 7)) & 1,
        confidence: 1 - 2 ** (-sure[index] / 16),
        loss: loss[index] / 16,
      }));
      return { ...rest, length, seen };
    });

const onError = (create) => (threshold) => {
  const detector = create(threshold);
  return ({ error }) => detector.update(error) === "drift";
};
const onRight = (create) => (threshold) => {
  const detector = create(threshold);
  return ({ error }) => detector.update(1 - error) === "drift";
};
const onLoss = (create) => (threshold) => {
  const detector = create(threshold);
  return ({ loss }) => detector.update(loss) === "drift";
};
const careful = (level) => Math.exp(-level);

/** How each is made from a number that makes it more careful, that number's range, and the one that is river's default. */
const contenders = {
  "river PageHinkley, both ways": {
    make: onError((threshold) => detectors.createPageHinkley({ threshold })),
    from: 0.5,
    to: 200,
    byDefault: 50,
  },
  "river PageHinkley, up": {
    make: onError((threshold) => detectors.createPageHinkley({ threshold, direction: "up" })),
    from: 0.5,
    to: 200,
    byDefault: 50,
  },
  "river ADWIN": {
    make: onError((level) => detectors.createAdwin({ delta: careful(level) })),
    from: 0.001,
    to: 40,
    byDefault: -Math.log(0.002),
  },
  "river DDM": {
    make: onError((driftThreshold) => detectors.createDdm({ driftThreshold })),
    from: 1,
    to: 20,
    byDefault: 3,
  },
  "river EDDM": {
    make: onError((level) => detectors.createEddm({ beta: Math.min(0.95, 1 / (1 + level / 10)) })),
    from: 0.3,
    to: 20,
    byDefault: 10 / 9,
  },
  "river HDDM_A": {
    make: onError((level) => detectors.createHddmA({ driftConfidence: careful(level) })),
    from: 0.001,
    to: 40,
    byDefault: -Math.log(0.001),
  },
  "river HDDM_W": {
    make: onError((level) => detectors.createHddmW({ driftConfidence: careful(level) })),
    from: 0.001,
    to: 40,
    byDefault: -Math.log(0.001),
  },
  "river FHDDM": {
    make: onRight((level) => detectors.createFhddm({ confidence: careful(level) })),
    from: 0.001,
    to: 60,
    byDefault: -Math.log(0.000001),
  },
  "river KSWIN": {
    make: onError((level) => detectors.createKswin({ alpha: careful(level) })),
    from: 1,
    to: 60,
    byDefault: -Math.log(0.005),
  },
  "river PageHinkley, up, on log loss": {
    make: onLoss((threshold) => detectors.createPageHinkley({ threshold, direction: "up" })),
    from: 0.5,
    to: 2000,
    isExtra: true,
  },
  "river ADWIN on log loss": {
    make: onLoss((level) => detectors.createAdwin({ delta: careful(level) })),
    from: 0.001,
    to: 60,
    isExtra: true,
  },
  "rates known, abrupt": {
    make: (level, { before, after }) => {
      let sum = 0;
      return ({ error }) => {
        sum = (1 + sum) * (error === 1 ? after / before : (1 - after) / (1 - before));
        if (sum <= Math.exp(level)) return false;
        sum = 0;
        return true;
      };
    },
    from: 1,
    to: 30,
    isExtra: true,
  },
  "likelihood ratio": {
    make: onError((level) => detectors.createLikelihoodRatio({ averageRunLength: Math.exp(level) })),
    from: 3,
    to: 30,
    byDefault: Math.log(wanted),
    isOurs: true,
  },
  "likelihood ratio, with confidence": {
    make: (level) => {
      const detector = detectors.createLikelihoodRatio({ averageRunLength: Math.exp(level) });
      return (seen) => detector.update(seen) === "drift";
    },
    from: 3,
    to: 30,
    byDefault: Math.log(wanted),
    isOurs: true,
  },
};

function alarms(start, streams) {
  let count = 0;
  let values = 0;
  for (const { seen } of streams) {
    const take = start();
    for (const each of seen) if (take(each)) count += 1;
    values += seen.length;
  }
  return { count, values, averageRunLength: values / Math.max(0.5, count) };
}

/** The share of errors that the streams without drift have, and that abrupt drifts have in their first 60 answers: what no detector can know. */
function ratesOf(calm, abrupt) {
  const share = (streams, from, to) =>
    mean(streams.map(({ seen }) => mean(seen.slice(from, to).map(({ error }) => error))));
  return { before: share(calm, 500), after: share(abrupt, abrupt[0].drift, abrupt[0].drift + 60) };
}

/** The least careful threshold whose run length on the streams is at least what is wanted. */
function tune({ make, from, to }, streams, rates) {
  let [low, high] = [Math.log(from), Math.log(to)];
  for (let turn = 0; turn < 11; turn += 1) {
    const middle = (low + high) / 2;
    if (alarms(() => make(Math.exp(middle), rates), streams).averageRunLength < wanted) low = middle;
    else high = middle;
  }
  return Math.exp(high);
}

/** From the drift on to the first alarm, as it runs from the start; the whole rest where there is none. */
const delaysOf = (start, streams) =>
  streams.map(({ seen, drift }) => {
    const take = start();
    let found = seen.length - drift;
    for (const [index, each] of seen.entries()) {
      if (!take(each) || index < drift) continue;
      found = index - drift + 1;
      break;
    }
    return found;
  });

const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => {
  const inOrder = sorted(values);
  return (inOrder[(inOrder.length - 1) >> 1] + inOrder[inOrder.length >> 1]) / 2;
};
const mean = (values) => values.reduce((sum, each) => sum + each, 0) / values.length;
const geometric = (values) => Math.exp(mean(values.map(Math.log)));
const shown = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));

const resample = (values, random) => values.map(() => values[random.integer(values.length)]);

function results(name) {
  const streams = load(name);
  const of = (kind) => streams.filter((stream) => stream.kind === kind);
  const [calibration, test, abrupt, gradual] = ["null-calibration", "null-test", "abrupt", "gradual"].map(of);
  const rates = ratesOf(calibration, abrupt);
  const rows = Object.entries(contenders).map(([contender, each]) => {
    const at = (threshold) => {
      const start = () => each.make(threshold, rates);
      return {
        run: alarms(start, test),
        delays: { abrupt: delaysOf(start, abrupt), gradual: delaysOf(start, gradual) },
      };
    };
    const byDefault = each.byDefault === undefined ? undefined : at(each.byDefault);
    const { isOurs = false, isExtra = false } = each;
    const threshold = tune(each, calibration, rates);
    return { contender, isOurs, isExtra, threshold, tuned: at(threshold), byDefault };
  });
  return { name, rows };
}

/** Where peers/river_detect.py was run (STREAM.river), our ports with river's defaults must detect at the same indices. */
function checkAgainstRiver(name) {
  const path = join(folder, `${name}.river`);
  if (!existsSync(path)) return;
  const recorded = readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const streams = load(name).slice(-recorded.length);
  let same = 0;
  let found = 0;
  for (const [index, { found: indices }] of recorded.entries()) {
    for (const [contender, wantedIndices] of Object.entries(indices)) {
      const { make, byDefault } = contenders[contender];
      const take = make(byDefault);
      const ours = streams[index].seen.flatMap((each, at) => (take(each) ? [at] : []));
      if (JSON.stringify(ours) !== JSON.stringify(wantedIndices)) throw new Error(`${contender} differs on ${name}`);
      same += 1;
      found += ours.length;
    }
  }
  console.log(`${name}: ${same} runs of river's own detectors, ${found} alarms at the same indices`);
}

/** What was kept, or what is found now and kept. */
function figures(name) {
  const path = join(folder, `${name}.figures.json`);
  if (chosen.length === 0 && existsSync(path)) return JSON.parse(readFileSync(path, "utf8"));
  checkAgainstRiver(name);
  const found = results(name);
  writeFileSync(path, JSON.stringify(found));
  return found;
}

const all = names.map(figures);
if (chosen.length > 0) process.exit(0);
for (const { name, rows } of all) {
  console.log(`\n### ${name}\n`);
  console.log(
    "| detector | values per false alarm, test (wanted: 5,000) | abrupt: median, mean | gradual: median, mean | not found | by default (ours: 5,000 asked): values per false alarm | abrupt, gradual: median |",
  );
  console.log("|---|---|---|---|---|---|---|");
  for (const { contender, tuned, byDefault } of rows) {
    const cells = ["abrupt", "gradual"].map(
      (kind) => `${shown(median(tuned.delays[kind]))}, ${shown(mean(tuned.delays[kind]))}`,
    );
    const lost = ["abrupt", "gradual"].reduce(
      (sum, kind) => sum + tuned.delays[kind].filter((delay) => delay >= 3000).length,
      0,
    );
    const plain =
      byDefault === undefined
        ? " | "
        : `${byDefault.run.count === 0 ? `over ${byDefault.run.values}` : shown(byDefault.run.averageRunLength)} | ${shown(median(byDefault.delays.abrupt))}, ${shown(median(byDefault.delays.gradual))}`;
    console.log(`| ${contender} | ${shown(tuned.run.averageRunLength)} | ${cells.join(" | ")} | ${lost} | ${plain} |`);
  }
}

/** The ratio of our delay to that of the best of river's on each stream, as a geometric mean over streams. */
function ratio(ours, kinds, statistic, random, isTheirs = ({ isOurs, isExtra }) => !isOurs && !isExtra) {
  return geometric(
    all.flatMap(({ rows }) =>
      kinds.map((kind) => {
        const value = (row) => {
          const { delays } = row.tuned;
          return statistic(random === undefined ? delays[kind] : resample(delays[kind], random));
        };
        const mine = value(rows.find(({ contender }) => contender === ours));
        const theirs = rows.filter(isTheirs).map(value);
        return mine / Math.min(...theirs);
      }),
    ),
  );
}

console.log("\n### Against the best of river's on each stream, tuned to the same false alarms\n");
console.log("| ours | drifts | ratio of medians | 95 % bootstrap | ratio of means | 95 % bootstrap |");
console.log("|---|---|---|---|---|---|");
const told = "rates known, abrupt";
for (const ours of [...Object.keys(contenders).filter((name) => contenders[name].isOurs), told]) {
  for (const kinds of ours === told ? [["abrupt"]] : [["abrupt"], ["gradual"], ["abrupt", "gradual"]]) {
    const cells = [median, mean].map((statistic) => {
      const random = createRandom(1);
      const draws = sorted(Array.from({ length: 400 }, () => ratio(ours, kinds, statistic, random)));
      return `${ratio(ours, kinds, statistic).toFixed(2)} | ${draws[10].toFixed(2)} to ${draws[389].toFixed(2)}`;
    });
    console.log(`| ${ours} | ${kinds.join(" and ")} | ${cells.join(" | ")} |`);
  }
}

console.log("\n### Against each of river's, the same on all streams\n");
console.log("| river's | errors alone: ratio of medians, of means | with confidence: ratio of medians, of means |");
console.log("|---|---|---|");
const same = Object.entries(contenders)
  .filter(([, { isOurs, isExtra }]) => !isOurs && !isExtra)
  .map(([contender]) => [contender, (row) => row.contender === contender]);
const known = ({ isOurs, contender }) => !isOurs && contender !== told;
for (const [contender, isTheirs] of [...same, ["the best of all, also of those on log loss", known]]) {
  const cells = ["likelihood ratio", "likelihood ratio, with confidence"].map((ours) =>
    [median, mean]
      .map((statistic) => ratio(ours, ["abrupt", "gradual"], statistic, undefined, isTheirs).toFixed(2))
      .join(", "),
  );
  console.log(`| ${contender} | ${cells.join(" | ")} |`);
}
