/** A spool in a real directory, as a process left it or still has it. */
import type { Disk } from '#src/lib/spool/disk.js'
import type { SpoolClock } from '#src/lib/spool/observer.js'
import type { SpoolRecord, StoredRecord } from '#src/lib/spool/record.js'
import { Spool } from '#src/lib/spool/spool.js'

const CLOCK: SpoolClock = {
  now: () => performance.now(),
  at(time, callback) {
    const timer = setTimeout(callback, Math.max(0, time - performance.now()))
    return () => clearTimeout(timer)
  },
  wall: Date.now,
}

const record = (topic: string, partition: number, value: string): SpoolRecord => ({
  ...{ topic, partition, value, key: null, timestamp: Date.now() },
  ...{ valueBytes: Buffer.byteLength(value), stream: topic, delivery: 'guaranteed' },
})

interface Filling {
  page?: string
  other?: string
  isOpen?: boolean
}

/**
 * Four events of topic `page` and one of topic `new` wait, two of them in doubt. One event is stored, and two of topic
 * `gone` are dead letters. Answers what closes the spool, if it is to stay open.
 */
export async function fillSpool(
  disk: Disk,
  { page = 'page', other = 'new', isOpen = false }: Filling = {},
): Promise<() => Promise<void>> {
  const spool = await Spool.open({ maxBytes: 2 ** 28 }, disk, CLOCK)
  const given = [
    ...['1', '2', '3'].map(value => record(page, 0, value)),
    ...['4', '5'].map(value => record(page, 1, value)),
    record(other, -1, '6'),
    ...['7', '8'].map(value => record('gone', 0, value)),
  ]
  await Promise.all(given.map(one => spool.append(one)))
  const stored: StoredRecord[] = []
  for await (const records of spool.pass(() => false)) stored.push(...records)
  const of = (...values: string[]) => stored.filter(({ value }) => values.includes(String(value)))
  const attempt = { producerId: 7, epoch: 0, sequence: 0 }
  await spool.journal([
    { ...attempt, topic: page, partition: 0, records: of('1', '2') },
    { ...attempt, topic: page, partition: 1, records: of('4') },
  ])
  for (const one of of('4')) spool.done(one)
  for (const one of of('7', '8')) await spool.refuse(one, 'there is no topic gone')
  const close = () => spool.close()
  if (!isOpen) await close()
  return close
}
