/** What one body costs: few bytes a value, or much to say about each. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { makeCorpus } from './corpus.js'
import { WIDE_BODIES } from './json.js'
import { startWatched, type Watched } from './service.js'
import { Wire } from './wire.js'

export interface Weight {
  name: string
  bytes: number
  status: number | string
  /** Milliseconds until its answer. */
  took: number
  /** The longest that another request waited beside it, milliseconds. */
  blocked: number
  /** MB more at its worst than before. */
  grew: number
  /** How the service ended, if it did. */
  ended: string | undefined
}

export async function weigh(
  name: string,
  bytes: number,
  { heapMb = 200, coding = false, times = 1 } = {},
): Promise<Weight> {
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-fuzz-'))
  try {
    const corpus = makeCorpus(folder)
    const service = await startWatched(
      folder,
      { schema_base_uris: corpus.repositories, output_path: '/dev/null', overwrite_dt: false },
      { heapMb },
    )
    try {
      const text = Buffer.from(WIDE_BODIES[name]?.(bytes - 200) ?? '')
      const body = coding ? gzipSync(text) : text
      await exchange(service, request(Buffer.from('{"$schema":"/fuzz/wide/1.0.0"}'), false))
      const before = service.rss()
      service.resetPeak()
      const pinging = new Pinging(service)
      await sleep(50)
      const start = performance.now()
      const send = () =>
        exchange(service, request(body, coding)).catch(error => (error as Error).message.slice(0, 40))
      const statuses = await Promise.all(Array.from({ length: times }, send))
      const status = [...new Set(statuses)].join(', ')
      const took = performance.now() - start
      await sleep(100)
      const grew = service.peak() - before
      const blocked = await pinging.end()
      return { name, bytes, status, took, blocked, grew, ended: service.ended() }
    } finally {
      service.kill()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function request(body: Buffer, coding: boolean): Buffer {
  const head = `POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${coding ? 'content-encoding: gzip\r\n' : ''}content-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

async function exchange(service: Watched, bytes: Buffer): Promise<number | string> {
  const wire = await Wire.open(service.port)
  try {
    void wire.send([bytes])
    return (await wire.answer('POST', 60_000))?.status ?? 'no answer'
  } finally {
    wire.destroy()
  }
}

/** Asks for something small again and again. */
class Pinging {
  #longest = 0
  #going = true
  readonly #done: Promise<void>

  constructor(service: Watched) {
    this.#done = this.#run(service)
  }

  async #run(service: Watched): Promise<void> {
    const wire = await Wire.open(service.port)
    while (this.#going && service.ended() === undefined) {
      const start = performance.now()
      void wire.send([Buffer.from('GET /_info/name HTTP/1.1\r\nhost: x\r\n\r\n')])
      if (!(await wire.answer('GET', 60_000).catch(() => undefined))) break
      this.#longest = Math.max(this.#longest, performance.now() - start)
      await sleep(5)
    }
    wire.destroy()
  }

  async end(): Promise<number> {
    this.#going = false
    await this.#done
    return this.#longest
  }
}

/** Every body of `WIDE_BODIES`, in these sizes. */
export async function weighAll(
  sizes: readonly number[],
  heapMb: number,
  log: (line: string) => void,
): Promise<Weight[]> {
  const weights: Weight[] = []
  for (const name of Object.keys(WIDE_BODIES)) {
    for (const bytes of sizes) {
      const weight = await weigh(name, bytes, { heapMb })
      log(row(weight))
      weights.push(weight)
    }
  }
  return weights
}

export function row({ name, bytes, status, took, blocked, grew, ended }: Weight): string {
  const size = `${(bytes / 1024 / 1024).toFixed(1)} MiB`
  return `| ${name}, ${size} | ${ended === undefined ? status : `ended: ${ended}`} | ${took.toFixed(0)} ms | ${blocked.toFixed(0)} ms | ${Number.isNaN(grew) ? '' : `${grew.toFixed(0)} MB`} |`
}
