import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readNumWorkers } from '#src/lib/config/num-workers.js'

test('a number of workers is a number or an expression, rounded down', () => {
  const cases: [value: number | string | undefined, workers: number][] = [
    [undefined, 0],
    [0, 0],
    [3, 3],
    ['3', 3],
    ['ncpu', 8],
    ['ncpu - 1', 7],
    ['ncpu-1', 7],
    ['ncpu/3', 2],
    ['ncpu * 2', 16],
    ['(ncpu + 1) / 2', 4],
    ['0.5 * ncpu - 2 - 1', 1],
    ['16 / ncpu / 2', 1],
    ['ncpu - 8', 0],
  ]
  for (const [value, workers] of cases) assert.equal(readNumWorkers(value, 8), workers, `${value}`)
  assert.equal(readNumWorkers('ncpu - 1', 1), 0)
})

test('what is neither is refused, and is not evaluated', () => {
  for (const value of ['', 'all', 'ncpu -', 'ncpu ncpu', '(ncpu', '2 ** 8', 'process.exit(1)', '1e3', '-1'])
    assert.throws(() => readNumWorkers(value, 8), /must be a number of workers, or an expression/, value)
  for (const value of [-1, 1025, 'ncpu - 9', 'ncpu / 0', '0 / 0', NaN])
    assert.throws(() => readNumWorkers(value, 8), /must come to 0 to 1024 workers/, `${value}`)
})
