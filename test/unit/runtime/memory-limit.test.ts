import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { boundsWithin, memoryAt, memoryLimit } from '#src/lib/runtime/memory-limit.js'
import { startService } from '../../support/service.js'

const MIB = 1024 * 1024
const NAMES = ['max_bytes_in_flight', 'max_events_in_flight', 'hasty_max_bytes', 'hasty_max_events'] as const
const defaults = readConf({}, undefined)
const boundsOf = (conf: object, mib: number) => {
  const config = readConf({ ...conf }, mib * MIB)
  return NAMES.map(name => config[name])
}

test('a limit of memory is one that is below the memory of the machine', () => {
  const machine = 16 * 1024 * MIB
  assert.equal(memoryLimit(300 * MIB, machine), 300 * MIB)
  for (const none of [0, undefined as unknown as number, machine, 2 ** 64]) {
    // A missing argument is what Node says of this machine.
    if (none !== undefined) assert.equal(memoryLimit(none, machine), undefined)
  }
})

test('bounds that are not configured follow the limit, in proportion, down to the largest body', () => {
  const all = NAMES.map(name => defaults[name])
  assert.deepEqual(boundsOf({}, 400), all)
  assert.deepEqual(boundsOf({}, 100_000), all)
  assert.deepEqual(boundsOf({}, 300), [21 * MIB, 33_564, 10 * MIB, 13_425])
  assert.deepEqual(boundsOf({ max_body_size: '1mb' }, 200), [9 * MIB, 15_046, 4 * MIB, 6018])
  assert.deepEqual(boundsOf({ max_body_size: '4mb' }, 200), [9 * MIB, 15_046, 4 * MIB, 6018])
  for (let mib = 10; mib < 1000; mib += 7) {
    const bounds = boundsWithin(mib * MIB, defaults, 4 * MIB)
    for (const name of NAMES)
      assert.ok(bounds[name] > 0 && bounds[name] <= defaults[name], `${name} at ${mib}`)
    if (mib >= 200) assert.ok(memoryAt(bounds) <= 0.8 * mib * MIB, `${mib}`)
  }
})

test('what is configured stays, and what does not fit is a warning', () => {
  const conf = { max_bytes_in_flight: '32mb', hasty_max_events: 77 }
  assert.deepEqual(boundsOf(conf, 300), [32 * MIB, 33_564, 10 * MIB, 77])
  const whole = { max_bytes_in_flight: '32mb', hasty_max_bytes: '16mb' }
  const warningsOf = (conf: object, mib: number) =>
    readConf({ ...conf }, mib * MIB).warnings.map(({ path, message }) => `${path} ${message}`)
  assert.deepEqual(warningsOf({}, 300), [])
  assert.deepEqual(warningsOf(whole, 400), [])
  assert.match(
    String(warningsOf(whole, 300)),
    /^max_bytes_in_flight and hasty_max_bytes need 311 MiB of memory, and the limit is 300 MiB/,
  )
  assert.match(
    String(warningsOf({}, 128)),
    /need 185 MiB of memory, and the limit is 128 MiB: lower them and max_body_size/,
  )
  assert.match(
    String(readConf({}, 300 * MIB).memory),
    /^memory is limited to 300 MiB, so .* lower: max_bytes_in_flight 21 MiB, max_events_in_flight 33564, hasty_max_bytes 10 MiB, hasty_max_events 13425$/,
  )
  assert.equal(readConf({}, 400 * MIB).memory, null)
  assert.equal(readConf({}, undefined).memory, null)
})

test('at the start one line says which bounds follow the limit', async t => {
  // What Node is told by a container.
  const limited = 'data:text/javascript,process.constrainedMemory=()=>314572800'
  const service = await startService(t, {}, {}, { NODE_OPTIONS: `--import=${limited}` })
  const said = service.log().filter(({ msg }) => String(msg).includes('memory'))
  assert.equal(said.length, 1)
  assert.equal(said[0]?.level, 30)
  assert.match(String(said[0]?.msg), /^memory is limited to 300 MiB/)
  const { in_flight } = (await (await fetch(`${service.url}/_info/health`)).json()) as Health
  assert.equal(in_flight.guaranteed.bounds.bytes, 21 * MIB)
  assert.equal(in_flight.hasty.bounds.bytes, 10 * MIB)
})

interface Health {
  in_flight: Record<'guaranteed' | 'hasty', { bounds: { bytes: number } }>
}

test('workers and their primary have a limit together', () => {
  const bounds = { max_bytes_in_flight: 0, hasty_max_bytes: 0, max_events_in_flight: 0, hasty_max_events: 0 }
  const idle = memoryAt(bounds)
  assert.deepEqual(
    [1, 2, 4].map(workers => memoryAt(bounds, workers) / idle),
    [1, 3, 5],
  )
})
