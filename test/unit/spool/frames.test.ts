import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME_BYTES, jsonFrame, jsonOf, readFrames } from '#src/lib/spool/frames.js'
import { SimulatedDisk } from '../../support/simulated-disk.js'

async function read(content: Buffer, from = 0) {
  const machine = new SimulatedDisk({ random: () => 0 })
  machine.put('f', content)
  const file = await machine.mount().open('f', 'read')
  const values: unknown[] = []
  const holes: number[][] = []
  for await (const block of readFrames(file, from, content.length)) {
    values.push(...block.frames.map(frame => jsonOf(frame)?.n))
    holes.push(...block.holes.map(({ at, end }) => [at, end]))
  }
  return { values, holes }
}

const frames = [1, 2, 3].map(n => jsonFrame({ n }))
const [one, two, three] = frames as [Buffer, Buffer, Buffer]
const all = Buffer.concat(frames)

test('frames come back in order', async () => {
  assert.deepEqual(await read(all), { values: [1, 2, 3], holes: [] })
  assert.deepEqual(await read(all, one.length), { values: [2, 3], holes: [] })
})

test('a flipped byte costs its own frame only, wherever it is', async () => {
  for (let at = 0; at < two.length; at++) {
    const content = Buffer.from(all)
    content[one.length + at] = (content[one.length + at] as number) ^ 0x40
    const { values, holes } = await read(content)
    assert.deepEqual(values, [1, 3], `byte ${at}`)
    assert.deepEqual(holes, [[one.length, one.length + two.length]], `byte ${at}`)
  }
})

test('what was cut off is a hole to the end', async () => {
  for (let length = one.length + 1; length < one.length + two.length; length++) {
    const { values, holes } = await read(all.subarray(0, length))
    assert.deepEqual(values, [1])
    assert.deepEqual(holes, [[one.length, length]])
  }
})

test('zeros are a hole', async () => {
  const content = Buffer.concat([one, Buffer.alloc(5000), three, Buffer.alloc(3)])
  const at = one.length + 5000
  assert.deepEqual(await read(content), {
    values: [1, 3],
    holes: [
      [one.length, at],
      [at + three.length, content.length],
    ],
  })
})

test('frames may lie across blocks, and be larger than one', async () => {
  const large = jsonFrame({ n: 'x'.repeat(1_500_000) })
  const many = Array.from({ length: 20_000 }, (_, n) => jsonFrame({ n }))
  const { values, holes } = await read(Buffer.concat([one, large, ...many]))
  assert.equal(values.length, 20_002)
  assert.equal(values.at(-1), 19_999)
  assert.deepEqual(holes, [])
})

test('a damaged length does not make it read on for ever', async () => {
  const content = Buffer.from(all)
  content.writeUInt32BE(30_000_000, one.length + 8)
  assert.deepEqual((await read(content)).values, [1, 3])
  assert.ok(FRAME_BYTES === 12)
})
