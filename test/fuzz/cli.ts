/**
 * `npm run fuzz [-- --seed 6 --count 100000 --heap 200]`: hostile requests, and what becomes of the service.
 * `--only 4711` sends one of them again and shows its bytes; `--weights` weighs large bodies alone. Exits with 1
 * if a promise was broken; a run of the usual size goes to bench/RELIABILITY.md.
 *
 * `npm run fuzz -- --bystanders [--only "long names"] [--generated 12] [--late 1000] [--service DIR]`: what ordinary
 * clients notice of hostile ones, of this build or of another.
 */
import { parseArgs } from 'node:util'
import { publish } from '../reliability/report.js'
import { brokenLine, bystanderTable, runBystanders } from './bystanders.js'
import { replay, runFuzz, Tally } from './fuzz.js'
import { LARGEST } from './shapes.js'
import { table, unreached } from './table.js'
import { makeKafkaTrouble, makeTrouble } from './trouble.js'
import { weighAll } from './weights.js'

const USUAL = '100000'
const USUALLY_GENERATED = '12'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '6' },
    count: { type: 'string', default: USUAL },
    heap: { type: 'string', default: '200' },
    only: { type: 'string' },
    weights: { type: 'boolean', default: false },
    bystanders: { type: 'boolean', default: false },
    generated: { type: 'string', default: USUALLY_GENERATED },
    late: { type: 'string', default: '1000' },
    service: { type: 'string' },
  },
})
const say = (line: string) => process.stderr.write(`${line}\n`)
const seed = Number(values.seed)
const heapMb = Number(values.heap)

// So that what was started ends with us.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

if (values.bystanders) process.exitCode = (await bystanders()) ? 0 : 1
else if (values.only !== undefined) console.log(await replay(seed, Number(values.only)))
else if (values.weights) await weighAll([4 * 1024 * 1024, LARGEST], heapMb, say)
else process.exitCode = (await main()) ? 0 : 1

async function main(): Promise<boolean> {
  say(`seed ${seed}`)
  const report = await runFuzz({ seed, count: Number(values.count), heapMb, log: say })
  const trouble = new Tally()
  await makeTrouble(trouble)
  await makeKafkaTrouble(trouble, say)
  // With nothing beside it.
  const weights = await weighAll([LARGEST], heapMb, say)

  const broken = [...report.tally.broken, ...trouble.broken]
  for (const code of unreached(report.tally, trouble))
    broken.push(`no answer had the code ${code}: make one in test/fuzz/trouble.ts`)
  for (const { name, bytes, ended } of weights)
    if (ended !== undefined) broken.push(`${name}, ${bytes} bytes: the service ended with ${ended}`)
  const text = table(report, trouble, weights)
  console.log(text)
  for (const line of broken) console.log(`BROKEN: ${line}`)
  const kept = broken.length === 0
  if (kept && values.count === USUAL) publish('fuzz', text)
  return kept
}

async function bystanders(): Promise<boolean> {
  const { only, service } = values
  const options = {
    ...{ seed, heapMb, only, service, log: say },
    ...{ generated: Number(values.generated), lateMs: Number(values.late) },
  }
  const rows = await runBystanders(options)
  const text = bystanderTable(rows, options)
  console.log(text)
  const broken = rows.filter(row => row.broken.length > 0)
  for (const row of broken) console.log(brokenLine(row, seed))
  const kept = broken.length === 0
  const isWhole = only === undefined && service === undefined && values.generated === USUALLY_GENERATED
  if (kept && isWhole) publish('bystanders', text)
  return kept
}
