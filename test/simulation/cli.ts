/**
 * Simulated hours of random faults: `npm run simulate -- --hours 1000`. A run is ten minutes by one seed; a run
 * that violates a property prints its seed. `npm run simulate -- --seed 17` plays it again and tells what happened;
 * `--event 966` follows an event, `--without 'a broker is slow'` leaves out a fault (faults.ts has their names).
 * `--only lost,twice` looks at these properties alone, `--only safety` at all that are no matter of time. `--scenes` plays the
 * faults that are made by hand (scenes.ts). Exits with 1 if a property was violated.
 */
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { PROPERTIES, type Property, play, type Report, SAFETY } from './run.js'
import { SCENES } from './scenes.js'

const RUN_MINUTES = 10

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      hours: { type: 'string', default: '1' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      event: { type: 'string', multiple: true, default: [] },
      without: { type: 'string', multiple: true, default: [] },
      workers: { type: 'string', default: '2' },
      scenes: { type: 'boolean', default: false },
      only: { type: 'string', default: Object.keys(PROPERTIES).join() },
    },
  })
  const only = values.only === 'safety' ? SAFETY : (values.only.split(',') as Property[])
  const unknown = only.filter(name => !(name in PROPERTIES))
  if (unknown.length > 0) {
    console.error(`there is no property ${unknown}; there are ${Object.keys(PROPERTIES).join(', ')}`)
    process.exitCode = 64
    return
  }
  const { without } = values
  const say = (line: string) => console.log(line)
  if (values.seed !== undefined) {
    const follow = values.event.map(Number)
    const report = await play(Number(values.seed), { minutes: RUN_MINUTES, say, follow, without })
    say(JSON.stringify({ ...report, violations: report.violations.length }, undefined, 1))
    for (const { property, text } of report.violations) say(`${property}: ${text}`)
    process.exitCode = report.violations.some(({ property }) => only.includes(property)) ? 1 : 0
    return
  }
  if (values.scenes) {
    for (const { name, play: playScene } of SCENES) {
      say(name)
      for (const { what, figures, holds } of await playScene()) {
        say(`  ${holds ? 'holds' : 'FAILS'}: ${what}: ${figures}`)
        if (!holds) process.exitCode = 1
      }
    }
    return
  }
  const hours = Number(values.hours)
  const summary = new Summary(only)
  const start = performance.now()
  const count = Math.ceil((hours * 60) / RUN_MINUTES)
  const take = (report: Report) => summary.add(report)
  await inParallel(Number(values.workers), Number(values.from), count, without, take)
  summary.print((performance.now() - start) / 1000)
}

/** Plays `count` seeds, as many at a time as there are workers. */
function inParallel(
  workers: number,
  from: number,
  count: number,
  without: readonly string[],
  take: (report: Report) => void,
): Promise<unknown> {
  let next = from
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { without } })
      const give = () => {
        if (next < from + count) worker.postMessage(next++)
        else worker.terminate().then(() => resolve(), reject)
      }
      worker.on('message', (report: Report) => {
        take(report)
        give()
      })
      worker.on('error', reject)
      give()
    })
  return Promise.all(Array.from({ length: Math.min(workers, count) }, work))
}

class Summary {
  #runs = 0
  #ms = 0
  #events = 0
  #slowest = 0
  readonly #outcomes = { delivered: 0, not_stored: 0, unknown: 0 }
  readonly #asked = { isolation: 0, liveness: 0 }
  readonly #unkeyed = { all: 0, quick: 0 }
  /** Runs that violated a property. */
  readonly #violated = new Map<Property, number>()

  constructor(readonly only: readonly Property[]) {}

  add({ seed, setup, ms, events, outcomes, asked, unkeyed, slowest, violations }: Report): void {
    this.#runs++
    this.#ms += ms
    this.#events += events
    for (const name of ['delivered', 'not_stored', 'unknown'] as const) this.#outcomes[name] += outcomes[name]
    for (const name of ['isolation', 'liveness'] as const) this.#asked[name] += asked[name]
    for (const name of ['all', 'quick'] as const) this.#unkeyed[name] += unkeyed[name]
    this.#slowest = Math.max(this.#slowest, slowest)
    const looked = violations.filter(({ property }) => this.only.includes(property))
    for (const property of new Set(looked.map(({ property }) => property)))
      this.#violated.set(property, (this.#violated.get(property) ?? 0) + 1)
    if (looked.length === 0) return
    console.log(`seed ${seed} (${setup})`)
    for (const { property, text } of looked.slice(0, 3)) console.log(`  ${property}: ${text}`)
  }

  print(seconds: number): void {
    const hours = this.#ms / 3_600_000
    const { delivered, not_stored, unknown } = this.#outcomes
    const { isolation, liveness } = this.#asked
    console.log(`
${hours.toFixed(1)} simulated hours in ${this.#runs} runs, ${seconds.toFixed(0)} s: ${(seconds / hours).toFixed(2)} s an hour
${this.#events} events: ${delivered} stored, ${not_stored} surely not stored, ${unknown} of unknown fate
isolation was asked of ${isolation} events, liveness of ${liveness}; the slowest of them took ${Math.round(this.#slowest)} ms
without a key, beside a partition that is not well: ${this.#unkeyed.quick} of ${this.#unkeyed.all} stored within 100 ms and its linger`)
    for (const property of this.only) {
      const runs = this.#violated.get(property) ?? 0
      console.log(
        `${runs === 0 ? 'holds' : `violated in ${runs} runs`}: ${property}: ${PROPERTIES[property]}`,
      )
      if (runs > 0) process.exitCode = 1
    }
  }
}

if (isMainThread) await main()
else
  parentPort?.on('message', async (seed: number) => {
    parentPort?.postMessage(await play(seed, { minutes: RUN_MINUTES, without: workerData.without }))
  })
