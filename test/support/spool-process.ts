/**
 * A process that appends to a spool and drains it, until it is killed. It tells on its output, before anything depends on
 * it, what is acknowledged (`a VALUE`) and what its brokers have stored (`b IDENTITY VALUES`).
 */
import { writeSync } from 'node:fs'
import { RealDisk } from '#src/lib/spool/real-disk.js'
import type { Attempt, StoredRecord } from '#src/lib/spool/record.js'
import { Spool } from '#src/lib/spool/spool.js'
import { record } from './spool.js'
import { REAL_SPOOL_CLOCK, SETTINGS } from './spool-real.js'

const [directory = '', first = '0', producerId = '1'] = process.argv.slice(2)
const say = (line: string) => writeSync(1, `${line}\n`)

const spool = await Spool.open(SETTINGS, new RealDisk(directory), REAL_SPOOL_CLOCK)
say('open')

const valuesOf = (records: readonly StoredRecord[]) =>
  records.map(({ value }) => `${value}`.split(' ')[0]).join()

/** What an earlier process was sending goes first, unchanged. */
async function resend(): Promise<void> {
  for (const attempt of spool.inDoubt) {
    const records = (await spool.recordsOf(attempt)) ?? []
    say(`b ${attempt.partition}/${attempt.producerId}/${attempt.sequence} ${valuesOf(records)}`)
    for (const one of records) spool.done(one)
  }
}

/** Appends all the time, some at once. */
async function append(): Promise<void> {
  let next = Number(first)
  for (;;) {
    const appended = Array.from({ length: 1 + Math.floor(20 * Math.random()) }, () => {
      const value = `${next++}`
      const one = spool.append(record(`${value} ${'x'.repeat(500 * Math.random())}`, { partition: next % 3 }))
      return one?.then(
        () => say(`a ${value}`),
        () => {},
      )
    })
    if (Math.random() < 0.5) await Promise.race(appended)
    else await Promise.all(appended)
    if (appended.includes(undefined)) await new Promise(resolve => setTimeout(resolve, 5))
  }
}

async function drain(): Promise<void> {
  let sequence = 0
  for (;;) {
    for await (const chunk of spool.pass(() => false)) {
      const batches = new Map<number, StoredRecord[]>()
      for (const one of chunk) batches.set(one.partition, [...(batches.get(one.partition) ?? []), one])
      const attempts: Attempt[] = [...batches].map(([partition, records]) => ({
        topic: 't',
        partition,
        producerId: Number(producerId),
        epoch: 0,
        sequence: sequence++,
        records,
      }))
      await spool.journal(attempts)
      for (const { partition, sequence: number, records } of attempts) {
        say(`b ${partition}/${producerId}/${number} ${valuesOf(records as StoredRecord[])}`)
        for (const one of records) spool.done(one)
      }
      await new Promise(resolve => setTimeout(resolve, 20 * Math.random()))
    }
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

await resend()
await Promise.all([append(), drain()])
