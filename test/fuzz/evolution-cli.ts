import { comparePairs } from './evolution.js'

// Holds the verdicts of `eventgate check` against events: npm run evolution -- [PAIRS [EVENTS [SEED]]].
const [pairs = 10_000, events = 1000, seed = 20261127] = process.argv.slice(2).map(Number)
const begun = performance.now()
const result = comparePairs({ pairs, events, seed })
process.stdout.write(
  `${JSON.stringify({ ...result, seconds: Math.round((performance.now() - begun) / 1000) })}\n`,
)
