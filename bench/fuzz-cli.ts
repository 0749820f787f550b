/** `npm run fuzz [-- --seed 1 --count 100000 --only NUMBER]`. Exits with 1 if a promise was broken. */
import { parseArgs } from 'node:util'
import { replay, runFuzz } from './fuzz.js'
import { weighAll } from './fuzz-weights.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '6' },
    count: { type: 'string', default: '100000' },
    heap: { type: 'string', default: '200' },
    only: { type: 'string' },
    weights: { type: 'boolean', default: false },
  },
})
const say = (line: string) => process.stderr.write(`${line}\n`)
const seed = Number(values.seed)

if (values.only !== undefined) console.log(await replay(seed, Number(values.only)))
else if (values.weights) await weighAll([4 * 1024 * 1024, 10_000_000], Number(values.heap), say)
else {
  say(`seed ${seed}`)
  const report = await runFuzz({ seed, count: Number(values.count), heapMb: Number(values.heap), log: say })
  const { tally, ...figures } = report
  console.log(figures, tally.statuses, tally.codes)
  for (const line of tally.broken) console.log(`BROKEN: ${line}`)
  process.exitCode = tally.broken.length > 0 ? 1 : 0
}
