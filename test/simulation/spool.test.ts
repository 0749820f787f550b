import assert from 'node:assert/strict'
import { test } from 'node:test'
import { playSpool, type SpoolReport } from './spool-run.js'

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
/** Seeds of runs that violated a property once. */
const REGRESSIONS = [30, 391]

test('a service with a spool, brokers and a disk that fail, and crashes: nothing is lost, nor twice, nor out of order', {
  timeout: 600_000,
}, async t => {
  const reports: SpoolReport[] = []
  for (const seed of SEEDS) {
    const report = await playSpool(seed, 8)
    assert.deepEqual(report.violations, [], `seed ${seed}`)
    reports.push(report)
  }
  const sum = (of: (report: SpoolReport) => number) =>
    reports.reduce((total, report) => total + of(report), 0)
  const figures = {
    stored: sum(({ outcomes }) => outcomes.stored),
    spooled: sum(({ outcomes }) => outcomes.spooled),
    notStored: sum(({ outcomes }) => outcomes.not_stored),
    unknown: sum(({ outcomes }) => outcomes.unknown),
    lives: sum(({ lives }) => lives),
    inDoubt: sum(({ inDoubt }) => inDoubt),
    possiblyTwice: sum(({ possiblyTwice }) => possiblyTwice),
  }
  t.diagnostic(JSON.stringify(figures))
  // The faults must neither be so rare nor so frequent that nothing was shown.
  assert.ok(figures.spooled > 10_000 && figures.lives > 50 && figures.inDoubt > 20, JSON.stringify(figures))
})

test('runs that violated a property once do so no more', { timeout: 600_000 }, async () => {
  for (const seed of REGRESSIONS) assert.deepEqual((await playSpool(seed, 8)).violations, [], `seed ${seed}`)
})

test('a run follows from its seed', async () => {
  assert.deepEqual(await playSpool(2, 3), await playSpool(2, 3))
})
