import { gpSampler, randomForestSampler } from "@millwright/tuner";
import { testAgainstRandom } from "./against-random.ts";

testAgainstRandom({ name: "gp", make: gpSampler, trials: 50, margin: 0.6 });
testAgainstRandom({ name: "random forest", make: randomForestSampler, trials: 120, margin: 0.9 });
